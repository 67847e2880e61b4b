"""Write the tables of cores into docs/cores.md: `python -m engram.tools.document_cores`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.common.say import say
from engram.memory_cores import CoreCard, MemoryCore
from engram.scripts.faults.errors import run
from engram.tools.core_files import core_maker, core_names, core_summary

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, TIMES = DOCS / "cores.md", DOCS / "benchmarks" / "cores_cpu.json"
BEGIN, END = "<!-- table: python -m engram.tools.document_cores -->", "<!-- end of table -->"
INPUT_SIZE = 128
FAMILIES = {
    "scan": "A recurrence without a matrix in it, h' = a ⊙ h + b: a whole sequence runs in parallel but for cheap "
    "elementwise work, and gates see the input alone. Fast on long sequences; none can follow a permutation.",
    "matrix": "A decayed sum of outer products: many keys with a value each, in a state of fixed size, run by chunks "
    "of rows on a device and row by row, in the cache, on a CPU. What was stored is looked up by what it was stored "
    "under.",
    "loop": "The next state is any function of the last one: the most that a recurrence can express, at the price of "
    "one row after the other.",
    "cache": "The last rows themselves are kept, and looked up or convolved: nothing fades within the window, nothing "
    "is left beyond it, and the carry is large.",
    "other": "Controls, and what is made of other cores.",
}


def main(words: Sequence[str]) -> None:
    """Rewrite what lies between the markers; takes no options."""
    if words:
        raise UsageError(f"This command takes no options, but got {words[0]!r}; leave it out.")
    if not PAGE.exists():
        raise UsageError(f"The page must be in a checkout, but {PAGE} does not exist; run it from one.")
    PAGE.write_text(with_tables(PAGE.read_text(), make_tables()))
    say(f"written: {PAGE.name}", file=sys.stderr)


def with_tables(page: str, tables: str, begin_line: str = BEGIN, end_line: str = END) -> str:
    """Replace what lies between the markers of a page.

    Raises:
        UsageError: if the page does not have both.
    """
    before, begin, rest = page.partition(begin_line)
    _, end, after = rest.partition(end_line)
    if not begin or not end:
        raise UsageError(
            f"The page must hold the lines {begin_line!r} and {end_line!r}, but does not; put them back."
        )
    return f"{before}{begin_line}\n\n{tables}\n\n{end_line}{after}"


def make_tables() -> str:
    """Make the tables of all cores that have a file: a family's each to choose from, and one of what all cost."""
    cores = {name: core_maker(name)(input_size=INPUT_SIZE) for name in core_names()}
    parts = [family_table(family, cores) for family in FAMILIES]
    return "\n\n".join([*parts, cost_table(cores, json.loads(TIMES.read_text()))])


def family_table(family: str, cores: Mapping[str, MemoryCore]) -> str:
    """Make the section of one family: what each core is, when to take it, how far it remembers, what shows it."""
    lines = [
        [
            f"`{name}`",
            core_summary(name).rstrip("."),
            card.choose_when,
            card.memory_length,
            f"`{card.shown_by}`" if card.shown_by else "",
        ]
        for name, card in cards(cores).items()
        if card.family == family
    ]
    titles = ["`core=`", "what it is", "take it when …", "it remembers", "see it on `env=`"]
    return f"### {family.capitalize()}\n\n{FAMILIES[family]}\n\n{format_table(titles, lines)}"


def cost_table(cores: Mapping[str, MemoryCore], times: Mapping[str, Any]) -> str:
    """Make the table of sizes and costs; `times` is what the benchmark of cores wrote."""
    config, length = times["config"], 2048
    steps = {part["name"]: part["step_seconds"] for part in times["acting"]}
    rows = {cell["name"]: cell["seconds"] for cell in times["cells"] if cell["length"] == length}
    lines = [
        [
            f"`{name}`",
            f"{cores[name].carry_bytes():,}",
            f"{count_parameters(cores[name]):,}",
            f"{1e6 * steps[name]:,.0f}" if name in steps else "",
            f"{1e3 * rows[name]['training']:,.0f}" if rows.get(name) else "",
            card.step_cost,
            card.training_cost,
        ]
        for name, card in cards(cores).items()
    ]
    titles = [
        "`core=`",
        "bytes carried",
        "parameters",
        "step, µs",
        f"{length:,} rows, ms",
        "one step",
        "training on T rows",
    ]
    return "\n".join(
        [
            "### What they cost",
            "",
            f"Bytes carried per environment and parameters are those of the files, at {INPUT_SIZE} inputs. Times are "
            "[measured](core_times.md): one step without gradients, and forward and backward passes, of "
            f"{config['batch_size']} environments with {config['hidden_size']} units on one core of a CPU; blank is "
            "not measured, or not within the budget. Costs in symbols are per environment: T rows, I inputs, H hidden "
            "units.",
            "",
            format_table(titles, lines),
        ]
    )


def cards(cores: Mapping[str, MemoryCore]) -> dict[str, CoreCard]:
    """Collect the cards of cores by name.

    Raises:
        UsageError: names the first class without one.
    """
    found = {}
    for name, core in cores.items():
        if core.card is None:
            raise UsageError(
                f"A core with a file in configs/core/ must have a card, but {type(core).__name__} has none; "
                "set the class attribute card = CoreCard(…), as in memory_cores/cores/gru.py."
            )
        found[name] = core.card
    return found


def count_parameters(core: MemoryCore) -> int:
    """Count the numbers that are trained."""
    return sum(parameter.numel() for parameter in core.parameters() if parameter.requires_grad)


def format_table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Make a Markdown table."""
    rows = [titles, ["---"] * len(titles), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
