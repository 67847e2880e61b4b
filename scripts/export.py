"""Write a trained agent as a file that needs no Engram: `engram export run=runs/<env>/<agent>-<core>/<seed>-<time>`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engram.agents.stored.loading import load
from engram.command_line.config import compose_config
from engram.command_line.flags import answer
from engram.command_line.options import ExportOptions
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.say import say
from engram.run_files.find_run import newest_run
from engram.run_files.outputs import check_writable_file
from engram.scripts.faults.errors import run
from engram.training.faults import usage_errors

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def main(words: Sequence[str]) -> None:
    """Export a run's agent, and print where it lies."""
    if (text := answer("export", words)) is not None:
        say(*text.split("\n"))
        return
    with usage_errors():
        options = check_options(compose_config("export", words).values, ExportOptions)
        torch.set_num_threads(options["threads"])
        run_dir = newest_run(Path(options["run"]))
        agent = load(
            run_dir, options["checkpoint"], allow=options["allow"], trust_edited=options["trust_edited"]
        )
        output = Path(options["output"] or run_dir / f"agent{SUFFIXES[options['format']]}").expanduser()
        check_writable_file("output", output)
        try:
            agent.export(output, options["format"], options["action_mask"])
        except ModuleNotFoundError as error:
            raise UsageError(str(error)) from error
    say(f"written: {output}")


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
