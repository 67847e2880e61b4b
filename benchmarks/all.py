"""Everything that is wanted of a machine, by one command and within a few minutes, most wanted first.

Short runs (does it work at all), on CUDA beside the tests that ask for a device, the goals, then the rest; each in a
process of its own and with its own limit. One that fails or hangs ends no other, and the report is written after each.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engram.benchmarks.document import write_document
from engram.benchmarks.options import DeviceOptions, Names, chosen
from engram.benchmarks.step_runner import StepRunner
from engram.benchmarks.steps import stages
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Positive, Word
from engram.training.faults import usage_errors
from engram.training.stop_request import StopRequest


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        minutes: in all.
        only: all, or a list of steps, [run_ppo_s5,envs]; then what `output` holds of others stays in it.
        commit: of a copy without git's files.
    """

    minutes: Positive = 9
    only: Names = "all"
    commit: Word | None = None


def measure(options: Options) -> dict[str, Any]:
    """Run the steps asked for; returns the code, the device, how every step ended, and what was measured.

    Raises:
        UsageError: names the steps that did not succeed, once all is written.
        StoppedError: if a signal asked it to stop; what ran is ended, and written.
    """
    plan, before = stages(options.device), os.getloadavg()[0]
    with usage_errors():
        names = chosen("only", options.only, [step.name for stage in plan for step in stage])
    measured: dict[str, Any] = {"commit": options.commit, "cuda": describe_cuda(options.device)}
    stop = StopRequest("stopping: what runs is ended")
    with stop, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        runner = StepRunner(Path(scratch), options.minutes * 60, stop.is_asked)
        kept = None if options.only == "all" or not options.output else Path(options.output)
        steps, results = read_others(kept, names)
        for stage in plan:
            runner.run([step for step in stage if step.name in names])
            measured |= {"steps": steps + runner.steps, "results": results | runner.results}
            if options.output:
                write_document(options, measured, before)
            if stop.is_asked():
                raise stop.error()
    failed = [step["step"] for step in runner.steps if step["rc"] != 0]
    if failed:
        where = f" in {options.output}" if options.output else " with output=<file>"
        raise UsageError(
            f"All steps must succeed, but {', '.join(failed)} did not; their last lines are{where}."
        )
    return measured


def read_others(path: Path | None, names: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read what a report holds of other steps than those named; every result says its own versions.

    Returns:
        How the steps ended, and what they measured; nothing if there is no report.
    """
    if path is None or not path.exists() or not path.read_text():
        return [], {}
    document = json.loads(path.read_text())
    steps = [step for step in document["steps"] if step["step"] not in names]
    return steps, {name: result for name, result in document["results"].items() if name not in names}


def describe_cuda(device: str) -> dict[str, Any] | None:
    """Say what a CUDA device is and what drives it; None for a CPU."""
    if device == "cpu":
        return None
    import triton

    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "gibibytes": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": triton.__version__,
    }
