"""Write the table of cores into docs/cores.md: `python -m engram.tools.document_cores`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from engram.common.errors import UsageError
from engram.common.say import say
from engram.memory_cores import CoreCard, MemoryCore
from engram.scripts.faults.errors import run
from engram.tools.core_files import core_maker, core_names, core_summary

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cores.md"
BEGIN, END = "<!-- table: python -m engram.tools.document_cores -->", "<!-- end of table -->"
INPUT_SIZE = 128


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
    """Make the tables of all cores that have a file: sizes of each, and costs of each class."""
    cores = {name: core_maker(name)(input_size=INPUT_SIZE) for name in core_names()}
    sizes = [
        [
            f"`{name}`",
            f"`{type(core).__name__}`",
            core_summary(name).rstrip("."),
            f"{core.carry_size():,}",
            f"{count_parameters(core):,}",
        ]
        for name, core in cores.items()
    ]
    costs = [
        [f"`{kind.__name__}`", card.step_cost, card.training_cost, card.memory_length, card.choose_when]
        for kind, card in cards(cores.values()).items()
    ]
    titles = ["`core=`", "class", "what it is", "state", "parameters"]
    return "\n".join(
        [
            f"State: real numbers carried per environment. Sizes are those of the files, at {INPUT_SIZE} inputs.",
            "",
            format_table(titles, sizes),
            "",
            "Costs are per environment: T rows, I inputs, H hidden units.",
            "",
            format_table(
                ["class", "one step", "training on T rows", "memory length", "when to choose it"], costs
            ),
        ]
    )


def cards(cores: Iterable[MemoryCore]) -> dict[type[MemoryCore], CoreCard]:
    """Collect the card of every class, in the order of the cores.

    Raises:
        UsageError: names the first class without one.
    """
    found = {}
    for core in cores:
        if core.card is None:
            raise UsageError(
                f"A core with a file in configs/core/ must have a card, but {type(core).__name__} has none; "
                "set the class attribute card = CoreCard(…), as in memory_cores/gru.py."
            )
        found[type(core)] = core.card
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
