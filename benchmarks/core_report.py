"""What a benchmark of cores found, as tables, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from engram.benchmarks.core_peers import Contender, Floor
from engram.benchmarks.core_timing import Acting, Cell
from engram.common.say import say
from engram.memory_cores import MemoryCore
from engram.memory_cores.card import Family
from engram.scripts.output.tables import print_table

TRAINING = "forward and backward, ms"
MEASURES: dict[str, Callable[[Cell], float]] = {
    TRAINING: lambda cell: 1e3 * cell.seconds["training"],
    "forward without gradients, ms": lambda cell: 1e3 * cell.seconds["forward"],
    "peak memory of forward and backward, MiB": lambda cell: cell.peak_bytes["training"] / 2**20,
}

REFERENCE = "nn.LSTM"
"""The peer that is always measured, so that cores can be compared through it."""


def print_lengths(
    cells: Sequence[Cell], contenders: Sequence[Contender | Floor], reset_rate: float, lengths: Sequence[int]
) -> None:
    """Print a table of every measure, contenders by lengths; then what was skipped, and why."""
    found = {
        (cell.name, cell.length): cell
        for cell in sorted(cells, key=lambda cell: cell.length)
        if cell.reset_rate in (reset_rate, None)
    }
    columns = [f"T={length:,}" for length in lengths]
    for title, measure in MEASURES.items():
        lines = {}
        for contender in contenders:
            if isinstance(contender, Floor) and title != TRAINING:
                continue
            row = [found[contender.name, length] for length in lengths]
            lines[label(contender)] = [None if cell.skipped else measure(cell) for cell in row]
        print_table(f"{title} (reset rate {reset_rate:g})", columns, lines)
    for cell in found.values():
        if cell.skipped:
            say(f"skipped: {cell.name}, T={cell.length:,}: {cell.skipped}")


def print_ratios(ratios: Sequence[Mapping[str, Any]], reset_rate: float, lengths: Sequence[int]) -> None:
    """Print the times of cores over those of their peers and floors."""
    lines: dict[str, list[float | None]] = {}
    for ratio in ratios:
        if ratio["reset_rate"] == reset_rate:
            values = lines.setdefault(f"{ratio['core']} / {ratio['peer']}", [None] * len(lengths))
            values[lengths.index(ratio["length"])] = ratio["training"]
    if lines:
        title = f"forward and backward, ratio of times (reset rate {reset_rate:g})"
        print_table(title, [f"T={length:,}" for length in lengths], lines)


def print_acting(acting: Sequence[Acting], batch_size: int) -> None:
    """Print what a step costs early and late in an episode."""
    lines: dict[str, list[float | None]] = {}
    rows = sorted({part.row for part in acting})
    for part in acting:
        lines.setdefault(part.name, [float(part.carry_bytes)]).append(1e6 * part.step_seconds)
    titles = ["bytes carried", *(f"µs at row {row:,}" for row in rows)]
    print_table(f"one step of {batch_size} environments; bytes of each", titles, lines)


def label(contender: Contender | Floor) -> str:
    """The contender's name, with a word on resets where it ignores them."""
    heeds = isinstance(contender, Floor) or contender.resets
    return contender.name if heeds else f"{contender.name} (no resets)"


def is_peer(contender: Contender | Floor, name: str, core: MemoryCore) -> bool:
    """Whether a contender is what the core `name` is held against."""
    if isinstance(contender, Floor):
        return contender.floor_of == name
    return contender.peer_of is not None and isinstance(core, contender.peer_of)


def find_ratios(
    cells: Sequence[Cell], contenders: Sequence[Contender | Floor], cores: Mapping[str, MemoryCore]
) -> list[dict[str, Any]]:
    """Divide the training times of cores by those of their peers and floors, wherever both were measured."""
    found = {(cell.name, cell.length, cell.reset_rate): cell for cell in cells if not cell.skipped}
    ratios = []
    for (name, length, rate), cell in found.items():
        for contender in contenders if name in cores else ():
            peer = found.get((contender.name, length, rate if contender.resets else None))
            if peer is not None and is_peer(contender, name, cores[name]):
                ratio = cell.seconds["training"] / peer.seconds["training"]
                ratios.append(
                    {"core": name, "peer": peer.name, "length": length, "reset_rate": rate, "training": ratio}
                )
    return ratios


def draw(
    path: Path,
    title: str,
    cells: Sequence[Cell],
    contenders: Sequence[Contender | Floor],
    cores: Mapping[str, MemoryCore],
) -> Path:
    """Draw the training times of each family's cores and of their peers, at the largest reset rate that each has."""
    from engram.benchmarks.core_figure import draw_core_times  # Matplotlib takes a second to import.

    points: dict[str, list[tuple[int, float]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.reset_rate or 0.0, cell.length)):
        if not cell.skipped:
            found = points.setdefault(cell.name, [])
            if found and cell.length <= found[-1][0]:  # a larger rate begins anew
                found.clear()
            found.append((cell.length, cell.seconds["training"]))
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for family in get_args(Family):
        members = [name for name, core in cores.items() if family_of(core) == family]
        # The library's LSTM is in every panel, so that panels can be compared.
        peers = [REFERENCE] + [
            contender.name
            for contender in contenders
            if isinstance(contender, Contender)
            and any(is_peer(contender, name, cores[name]) for name in members)
        ]
        if members:
            shown = dict.fromkeys([*members, *peers])
            panels[family] = {name: points[name] for name in shown if name in points}
    return draw_core_times(path, title, panels, dashed=set(points) - set(cores))


def family_of(core: MemoryCore) -> Family:
    """The family on a core's card; that of one without a card is "other"."""
    return "other" if core.card is None else core.card.family
