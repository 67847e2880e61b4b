"""Write the tables of docs/performance.md: `python -m engram.tools.document_performance`.

They are made of what `python -m engram.benchmarks all` left where this command looks for it, for each device.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.common.say import say
from engram.scripts.faults.errors import run
from engram.tools.document_cores import format_table, with_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
BEGIN, END = "<!-- table: python -m engram.tools.document_performance -->", "<!-- end of table -->"
DEVICES = {"CPU": "all_cpu.json", "CUDA": "all_cuda.json"}
Document = Mapping[str, Any]
Lines = list[list[str]]


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: its heading.
        about: what is measured, a sentence.
        steps: its steps' names begin so.
        columns: titles after the device.
        lines: reads one step's document.
    """

    title: str
    about: str
    steps: str
    columns: tuple[str, ...]
    lines: Callable[[Document], Lines]


def main(words: Sequence[str]) -> None:
    """Rewrite what lies between the markers; takes no options."""
    if words:
        raise UsageError(f"This command takes no options, but got {words[0]!r}; leave it out.")
    PAGE.write_text(with_tables(PAGE.read_text(), make_tables(read_documents(DOCS)), BEGIN, END))
    say(f"written: {PAGE.name}", file=sys.stderr)


def read_documents(docs: Path) -> dict[str, Document | None]:
    """Read what there is, by device."""
    paths = {device: docs / "benchmarks" / name for device, name in DEVICES.items()}
    return {device: json.loads(path.read_text()) if path.exists() else None for device, path in paths.items()}


def make_tables(documents: Mapping[str, Document | None]) -> str:
    """Make all tables as Markdown, a device without measurements said to have none."""
    parts = [_about(documents)]
    for section in SECTIONS:
        lines: Lines = []
        for device, document in documents.items():
            results = {} if document is None else document["results"]
            found = [
                line
                for name, result in results.items()
                if name.startswith(section.steps)
                for line in section.lines(result)
            ]
            missing = [f"not measured on {device} yet", *[""] * (len(section.columns) - 1)]
            lines += [[device, *line] for line in found or [missing]]
        table = format_table(["", *section.columns], lines)
        parts.append(f"## {section.title}\n\n{section.about}\n\n{table}")
    return "\n\n".join(parts)


def _about(documents: Mapping[str, Document | None]) -> str:
    lines: Lines = []
    for device, document in documents.items():
        if document is None:
            lines.append([device, f"not measured on {device} yet", "", "", "", "", ""])
            continue
        versions, cuda = document["versions"], document["cuda"]
        name = cuda["name"] if cuda else f"{document['config']['threads']} thread"
        load = ", ".join(f"{value:.1f}" for value in document["load_average"])
        ended = sum(step["rc"] == 0 for step in document["steps"])
        own = {result.get("versions", {}).get("git_commit") for result in document["results"].values()}
        commits = {(one or document["commit"] or "unknown")[:10] for one in own}
        count = f"{ended} of {len(document['steps'])}"
        lines.append(
            [
                device,
                name,
                versions["torch"],
                versions["python"],
                ", ".join(f"`{commit}`" for commit in sorted(commits)),
                load,
                count,
            ]
        )
    titles = [
        "",
        "on",
        "torch",
        "Python",
        "commit",
        "load of the machine, before and after",
        "steps that ended well",
    ]
    return format_table(titles, lines)


def _ppo(result: Document) -> Lines:
    config, measured = result["config"], result["results"]
    ours = measured["engram"]
    core = config["core"]["_target_"].rpartition(".")[2]
    shape = f"{config['num_envs']:,} x {config['agent']['rollout_length']}"
    seconds = (f"{1e3 * ours['seconds'][part]:,.0f}" for part in ("collect", "update"))
    ratio = f"{result['ratios']['engram / floor']:.2f}"
    return [
        [core, shape, config["agent"]["precision"], f"{ours['env_steps_per_second']:,.0f}", *seconds, ratio]
    ]


def _world_model(result: Document) -> Lines:
    ratios = {(one["learner"], one["size"]): one for one in result["ratios"]}
    lines = []
    for one in result["results"]:
        if one["update_seconds"] is None:
            continue
        ratio = ratios.get((one["learner"], one["size"]), {})
        beside = (
            f"{ratio['reference']}, which takes {ratio['update']:.2f} times as long"
            if ratio.get("update")
            else ""
        )
        shape = f"{one['batch_size']} x {one['batch_length']}"
        lines.append([one["learner"], one["size"], shape, f"{1e3 * one['update_seconds']:,.0f}", beside])
    return lines


def _rows(*kinds: str) -> Callable[[Document], Lines]:
    """Lines of rows per second; the first column is the name."""

    def lines(result: Document) -> Lines:
        return [
            [
                str(one.get("env") or one.get("size")),
                f"{one['num_envs']:,}",
                *("" if one[kind] is None else f"{one[kind]:,.0f}" for kind in kinds),
            ]
            for one in result["results"]
        ]

    return lines


def _scan(result: Document) -> Lines:
    return [
        [
            " x ".join(f"{number:,}" for number in one["size"]),
            one["dtype"],
            f"{one['both_ms']:.2f}",
            f"{one['floor_ms']:.2f}",
            f"{one['ratio']:.2f}",
        ]
        for one in result["results"]
    ]


def _matrix(result: Document) -> Lines:
    return [
        [one["name"], f"{one['milliseconds']:,.0f}", f"{one['peak_mebibytes']:,.0f}", f"{one['to_lstm']:.2f}"]
        for one in result["results"]
    ]


SECTIONS = (
    Section(
        "Training with PPO",
        "RepeatPreviousEasy, 256 units. The floor is the same minibatches through the same networks, without "
        "environments, resets and returns, by the library's optimiser.",
        "ppo_",
        ("core", "environments x rows", "precision", "steps/s", "collect, ms", "update, ms", "time / floor"),
        _ppo,
    ),
    Section(
        "Updates of world models",
        "Sequences x rows of one update.",
        "world_model",
        ("learner", "size", "batch", "update, ms", "beside"),
        _world_model,
    ),
    Section(
        "Environments",
        "Rows per second at random actions; captured: by a CUDA graph.",
        "envs",
        ("env", "environments", "rows/s", "captured"),
        _rows("native", "captured"),
    ),
    Section(
        "Memory Maze",
        "Frames of 64 x 64 per second.",
        "memory_maze",
        ("size", "environments", "frames/s", "captured", "without the picture"),
        _rows("native", "captured", "blind"),
    ),
    Section(
        "Scans",
        "Forward and backward; the floor is eight passes over the states at the speed of a copy.",
        "scan",
        ("batch x rows x channels", "dtype", "ms", "floor, ms", "time / floor"),
        _scan,
    ),
    Section(
        "Matrix memories",
        "Forward and backward of one layer beside `nn.LSTM`.",
        "matrix",
        ("layer", "ms", "peak, MiB", "time / `nn.LSTM`"),
        _matrix,
    ),
)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
