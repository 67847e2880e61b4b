"""Which cores can be exported, and how far a file is from its agent: writes the table of docs/export.md.

`python -m engram.tools.export_table` takes half an hour, since torch takes so long for each file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch

from engram.agents import PPO, ActorCritic, Encoder
from engram.agents.deployment.acting_module import NEXT, ActingModule
from engram.agents.deployment.export import Exported
from engram.common.say import say
from engram.run_files.json_text import json_text
from engram.tools.core_files import core_maker, core_names
from engram.tools.document_cores import format_table, with_tables

Call = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
BATCHES, STEPS, RESET_RATE = (1, 32), 200, 0.05
DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, FOUND = DOCS / "export.md", DOCS / "benchmarks" / "export_cpu.jsonl"
BEGIN, END = "<!-- table: python -m engram.tools.export_table -->", "<!-- end of table -->"


def load(path: Path) -> Call:
    """Make a function of inputs by name of an exported file."""
    if path.suffix == ".pt2":
        module: Call = torch.export.load(path).module()
        return module
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]

    def call(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        found = session.run(names, {name: value.numpy() for name, value in inputs.items()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    return call


@torch.no_grad()
def largest_difference(module: ActingModule, call: Call, batch: int, seed: int = 0) -> float:
    """Run a file beside its agent, each with its own memory; returns the largest difference of policy or action."""
    torch.manual_seed(seed)
    own, its = module.example(batch), module.example(batch)
    largest = 0.0
    for time in range(STEPS):
        is_first = torch.rand(batch) < (1.0 if time == 0 else RESET_RATE)
        seen = {"obs": torch.randn_like(own["obs"]), "is_first": is_first}
        expected, found = module(own | seen), call(its | seen)
        for name in {"action", "policy"} & set(expected):
            largest = max(largest, float((expected[name] - found[name]).abs().max()))
        own |= {name.removeprefix(NEXT): value for name, value in expected.items() if name.startswith(NEXT)}
        its |= {name.removeprefix(NEXT): value for name, value in found.items() if name.startswith(NEXT)}
    return largest


def lines(cores: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Export PPO with each core in both formats, and measure."""
    observations, actions = gs.Box(-np.inf, np.inf, (4,), np.float32), gs.Box(-1.0, 1.0, (2,), np.float32)
    # Policies as large as trained ones. An agent that reads its own actions feeds the last digits back to itself, and
    # untrained ones amplify them.
    make_network = partial(ActorCritic, policy_gain=1.0, make_encoder=partial(Encoder, previous_action=False))
    for core in cores:
        agent = PPO(observations, actions, core_maker(core), make_network=make_network)
        line: dict[str, Any] = {"core": core}
        try:
            exported, module = Exported(agent), ActingModule(agent, noise=False)
        except Exception as error:  # the reason is what the table is for
            line["why_not"] = f"{type(error).__name__}: {error}".splitlines()[0]
            yield line
            continue
        with tempfile.TemporaryDirectory() as folder:
            for format, make in {"onnx": exported.to_onnx, "pt2": exported.to_torch}.items():
                path = Path(folder) / f"agent.{format}"
                try:
                    path.write_bytes(make())
                    call = load(path)
                    for batch in BATCHES:
                        line[f"{format}/{batch}"] = largest_difference(module, call, batch)
                except Exception as error:
                    line[f"{format}/why_not"] = f"{type(error).__name__}: {error}".splitlines()[0]
        yield line


def main(words: Sequence[str]) -> None:
    """Measure all cores, or those named, add what was found to a file of JSON lines, and write the page's table."""
    options = [word for word in words if "=" in word]
    output = Path(dict(word.split("=", 1) for word in options).get("output", FOUND))
    names = [word for word in words if "=" not in word] or core_names()
    with output.open("a") as file:
        for line in lines(names):
            say(json_text(line))
            file.write(json_text(line) + "\n")
            file.flush()
    if output == FOUND:
        PAGE.write_text(with_tables(PAGE.read_text(), make_table(FOUND), BEGIN, END))


def make_table(found: Path) -> str:
    """Make the table of what was found last of each core, or why it cannot be exported."""
    last = {line["core"]: line for line in map(json.loads, found.read_text().splitlines())}
    columns = [f"{format}/{batch}" for format in ("onnx", "pt2") for batch in BATCHES]
    table = [
        [f"`{core}`", *(_cell(line, column) for column in columns)] for core, line in sorted(last.items())
    ]
    titles = [f"`{format}`, batch {batch}" for format in ("onnx", "torch") for batch in BATCHES]
    return format_table(["core", *titles], table)


def _cell(line: dict[str, Any], column: str) -> str:
    """Write a difference, or the reason why there is none."""
    reasons = [line[key] for key in ("why_not", column.split("/")[0] + "/why_not") if key in line]
    if reasons:
        return str(reasons[0])
    return f"{line[column]:.0e}".replace("e-0", "e-") if line[column] else "0"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
