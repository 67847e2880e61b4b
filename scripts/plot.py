"""Compare runs: `engram plot runs=runs output=report`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engram.scripts.checks import (
    LIST,
    MAPPING,
    POSITIVE,
    SEED,
    SWITCH,
    WORD,
    Rule,
    check_options,
    or_null,
    whole,
)
from engram.scripts.comparison.analysis import compare
from engram.scripts.comparison.archive import ARCHIVE_FILE, write_archive
from engram.scripts.comparison.configurations import describe_configurations
from engram.scripts.comparison.files import write_files
from engram.scripts.comparison.folders import find_run_folders
from engram.scripts.comparison.metrics import SECONDS, STEPS
from engram.scripts.comparison.runs import Run, read_run
from engram.scripts.comparison.scores import SCORES
from engram.scripts.comparison.settings import KEYS, METRICS, Settings
from engram.scripts.comparison.skipped import Skipped
from engram.scripts.config import compose_config
from engram.scripts.errors import run, usage_errors
from engram.scripts.help import help_text
from engram.scripts.outputs import check_writable
from engram.scripts.say import say
from engram.scripts.tables import print_table
from engram.scripts.words import command_line


def _one_of(names: Sequence[str]) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda value: value in names, names[0])


def _is_bounds(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(part, int | float) for part in value)
        and value[0] < value[1]
    )


def _or_list(rule: Rule) -> Rule:
    """A word, or a list of words that is not empty."""
    return Rule(
        f"{rule.expected}, or a list of them",
        lambda v: rule.holds(v) or (LIST.holds(v) and len(v) > 0 and all(map(rule.holds, v))),
        rule.example,
    )


RULES = {
    "runs": _or_list(WORD),
    "output": WORD,
    "group": or_null(_or_list(WORD)),
    "metric": _one_of(tuple(METRICS)),
    "x": _one_of((STEPS, SECONDS)),
    "returns": _one_of(tuple(KEYS)),
    "score": _one_of(SCORES),
    "epoch_env_steps": Rule(
        "a number above 0, or null", lambda value: value is None or POSITIVE.holds(value), "65536"
    ),
    "bounds": Rule(
        "a mapping of tasks to [lowest, highest]",
        lambda value: MAPPING.holds(value) and all(map(_is_bounds, value.values())),
        "'{CartPole-v1: [0,500]}'",
    ),
    "points": whole("a whole number of at least 2", lambda value: value >= 2, "100"),
    "resamples": whole("a whole number of at least 100", lambda value: value >= 100, "10000"),
    "confidence": Rule("a number between 0 and 1", lambda v: POSITIVE.holds(v) and v < 1, "0.95"),
    "seed": SEED,
    "figures": SWITCH,
    "archive": SWITCH,
    "trust_edited": SWITCH,
}


def main(words: Sequence[str]) -> None:
    """Read runs, compare them, and write the report."""
    if any(word in ("-h", "--help") for word in words):
        say(*help_text("plot").split("\n"))
        return
    with usage_errors():
        # Which tasks there are is known only after reading: `bounds` may name any.
        options = compose_config(
            "plot", [f"++{word}" if word.startswith("bounds") else word for word in words]
        ).values
        options = check_options(options, RULES)
        folders, skipped = find_run_folders(_as_list(options["runs"]))
        output = Path(options["output"])
        check_writable("output", output)
    found = [read_run(folder, options["trust_edited"]) for folder in folders]
    runs = [one for one in found if isinstance(one, Run)]
    skipped += [one for one in found if isinstance(one, Skipped)]
    document = compare(runs, skipped, _settings(options))
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
        print_table(f"{task['name']}, up to {task['end']:,.0f} environment steps", columns, lines)
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
