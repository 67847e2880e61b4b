"""Agents as files that need no Engram: ONNX, and what `torch.export` saves."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from engram.agents.deployment.acting_module import ActingModule
from engram.agents.deployment.actor import Actor
from engram.agents.deployment.folding import fold
from engram.agents.deployment.onnx_form import DECOMPOSITIONS
from engram.agents.deployment.trace import Trace
from engram.common.checked import check_value
from engram.run_files.plain_files import replace_file

ExportFormat = Literal["onnx", "torch"]


def export_agent(
    agent: Actor, output: str | Path, format: ExportFormat = "onnx", action_mask: bool = False
) -> None:
    """Write what an agent does on a row to a file; `ActingModule` says what goes in and comes out.

    Args:
        agent: in host memory.
        output: the file.
        format: `onnx`, or `torch`: for `torch.export.load(output).module()`, which takes and returns a dict.
        action_mask: the file takes a mask of allowed actions.

    Raises:
        ValueError: for an option that is wrong, or an agent that cannot be exported.
        ModuleNotFoundError: if the packages of the extra `export` are not installed.
        Exception: of torch's own, if a network is not written for it.
    """
    format = check_value(format, ExportFormat, "format", "export")
    _check_packages(format)
    exported = Exported(agent, action_mask)
    replace_file(Path(output).expanduser(), exported.to_onnx() if format == "onnx" else exported.to_torch())


class Exported:
    """What an agent does on a row of any batch size, with what hangs on its parameters alone computed.

    Args:
        agent: in host memory.
        action_mask: take a mask of allowed actions.

    Raises:
        ValueError: for an agent that cannot be exported.
        Exception: of torch's own, if a network is not written for it.

    Attributes:
        program: takes and returns a dict.
        inputs: names, in the order in which files take them.
        outputs: names, likewise.
    """

    def __init__(self, agent: Actor, action_mask: bool = False) -> None:
        _check(agent, action_mask)
        with _quiet(), torch.no_grad():
            module = _module(agent, action_mask)
            example = module.example(2)
            self.inputs, self.outputs = list(example), list(module(example))
            folded = fold(_exported(module, example).module(check_guards=False))
            self.program = _exported(folded, example)

    def to_onnx(self) -> bytes:
        """Return an ONNX file."""
        table = torch.export.default_decompositions()
        table.update(DECOMPOSITIONS)
        options: Any = {"input_names": self.inputs, "output_names": self.outputs, "verbose": False}
        with _quiet(), torch.no_grad():
            made = torch.onnx.export(self.program.run_decompositions(table), (), dynamo=True, **options)
        assert made is not None
        return bytes(made.model_proto.SerializeToString())

    def to_torch(self) -> bytes:
        """Return a file of `torch.export`."""
        stream = io.BytesIO()
        torch.export.save(self.program, stream)
        return stream.getvalue()


def _module(agent: Actor, action_mask: bool) -> ActingModule:
    """Make the module of an agent, which takes noise only if it needs any."""
    module = ActingModule(agent, action_mask, noise=True)
    example = module.example(1)
    trace = Trace(
        lambda *tensors: list(module(dict(zip(example, tensors, strict=True))).values()), [*example.values()]
    )
    needs_noise = trace.reads[list(example).index("noise")]
    return module if needs_noise else ActingModule(agent, action_mask, noise=False)


def _exported(module: torch.nn.Module, example: dict[str, torch.Tensor]) -> torch.export.ExportedProgram:
    """Export for any batch size."""
    batch = torch.export.Dim("batch", min=1)
    shapes = {name: {0: batch} for name in example}
    return torch.export.export(module, (example,), dynamic_shapes=(shapes,), strict=False)


def _check(agent: Actor, action_mask: bool) -> None:
    """Refuse what cannot be exported."""
    if agent.device.type != "cpu":
        raise ValueError(
            f"An agent is exported from host memory, but this one is on {agent.device}; load it with device='cpu'."
        )
    if agent.precision.is_mixed:
        raise ValueError(
            "An agent is exported in float32, but this one has agent.precision=bfloat16; train it in another."
        )
    if action_mask and not hasattr(agent.action_space, "start"):
        raise ValueError(
            "Masks are for the choices of Discrete and MultiDiscrete actions, but this agent acts in a Box; leave "
            "action_mask out."
        )


def _check_packages(format: ExportFormat) -> None:
    """Refuse a format whose packages are not there."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if format == "onnx" and missing:
        raise ModuleNotFoundError(
            f"format=onnx needs {' and '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed "
            "here; pip install 'engram-rl[export]', or take format=torch.",
            name=missing[0],
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within the block torch's exporters say nothing of their own insides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
