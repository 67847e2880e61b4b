"""Compare runs: `engram plot runs=runs output=report`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from engram.analysis.archive import ARCHIVE_FILE, write_archive
from engram.analysis.compare import compare
from engram.analysis.configurations import describe_configurations
from engram.analysis.files import write_files
from engram.analysis.folders import find_run_folders
from engram.analysis.runs import Run, read_run
from engram.analysis.settings import Settings
from engram.analysis.skipped import Skipped
from engram.command_line.config import compose_config
from engram.command_line.flags import answer
from engram.common.checked import check_options, settings
from engram.common.option_types import Fitting, Positive, Real, Seed, Whole, Word
from engram.common.say import say
from engram.common.shell import command_line
from engram.run_files.outputs import check_writable
from engram.scripts.faults.errors import run
from engram.scripts.output.tables import print_table
from engram.training.faults import usage_errors


def _is_bounds(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(isinstance(part, int | float) for part in value) and value[0] < value[1]


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_WORDS = Fitting(
    "a word, or a list of them",
    lambda value: _is_word(value) or (isinstance(value, list) and bool(value) and all(map(_is_word, value))),
    "<name>",
)
_BOUNDS = Fitting(
    "a mapping of tasks to [lowest, highest]",
    lambda value: isinstance(value, Mapping) and all(map(_is_bounds, value.values())),
    "'{CartPole-v1: [0,500]}'",
)


@settings()
class PlotOptions:
    """Options of `engram plot`."""

    runs: Annotated[Any, _WORDS]
    output: Word = "report"
    group: Annotated[Any, _WORDS] | None = None
    metric: Word = "episodic_return"
    episodes: Literal["training", "evaluation"] = "training"
    aggregate: Literal["mean", "iqm"] = "mean"
    x: Literal["env_steps", "wall_clock"] = "env_steps"
    score: Literal["mmer", "area", "final_evaluation"] = "mmer"
    epoch_env_steps: Positive | None = None
    bounds: Annotated[Mapping[str, Any], _BOUNDS] = field(default_factory=dict)
    points: Annotated[int, Whole(2)] = 100
    resamples: Annotated[int, Whole(100)] = 10_000
    confidence: Annotated[float, Real(above=0, below=1)] = 0.95
    seed: Seed = 0
    figures: bool = True
    archive: bool = False
    trust_edited: bool = False


def main(words: Sequence[str]) -> None:
    """Read runs, compare them, and write the report."""
    if (text := answer("plot", words)) is not None:
        say(*text.split("\n"))
        return
    with usage_errors():
        # Which tasks there are is known only after reading: `bounds` may name any.
        options = compose_config(
            "plot", [f"++{word}" if word.startswith("bounds") else word for word in words]
        ).values
        options = check_options(options, PlotOptions)
        folders, skipped = find_run_folders(_as_list(options["runs"]))
        output = Path(options["output"])
        check_writable("output", output)
    how = _settings(options)
    keys = (how.key, how.evaluation_key)
    found = [read_run(folder, options["trust_edited"], keys) for folder in folders]
    runs = [one for one in found if isinstance(one, Run)]
    skipped += [one for one in found if isinstance(one, Skipped)]
    document = compare(runs, skipped, how)
    document["x"] = options["x"]
    document["command"] = command_line("plot", words)
    document["configurations"] = describe_configurations(runs, document)
    _print(document)
    output.mkdir(parents=True, exist_ok=True)
    written = write_files(output, document, figures=options["figures"])
    if options["archive"]:
        written.append(write_archive(output / ARCHIVE_FILE, runs))
    for path in written:
        say(path)


def _settings(options: dict[str, Any]) -> Settings:
    names = [name for name in Settings.__dataclass_fields__ if name != "group"]
    group = None if options["group"] is None else _as_list(options["group"])
    return Settings(group=group, **{name: options[name] for name in names})


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _print(document: dict[str, Any]) -> None:
    """Print the table of every task, then what was skipped and what limits the comparison."""
    columns = ["seeds", "parameters", "carry bytes", "MMER", "low", "high", "area", "evaluation"]
    for task in document["tasks"]:
        lines = {}
        for row in document["table"]:
            if row["task"] == task["name"]:
                mmer, area, last = row["mmer"], row["area"], row["final_evaluation"]
                best = [mmer and mmer[key] for key in ("value", "low", "high")]
                lines[row["group"]] = [
                    row["seeds"],
                    row["parameters"],
                    row["carry_bytes"],
                    *best,
                    area and area["value"],
                    last and last["value"],
                ]
        metric = document["settings"]["label"]
        print_table(f"{task['name']}: {metric}, up to {task['end']:,.0f} environment steps", columns, lines)
    say()
    for one in document["skipped"]:
        say(f"skipped: {one['name']}: {one['reason']}")
    for note in document["notes"]:
        say(f"note: {note}")


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
