"""What a benchmark of cores found, as tables, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memory_cores import MemoryCore
from scripts.core_peers import Contender, Floor
from scripts.core_timing import Acting, Cell, carry_bytes

MEASURES: dict[str, Callable[[Cell], float]] = {
    "forward and backward, ms": lambda cell: 1e3 * cell.seconds["training"],
    "forward without gradients, ms": lambda cell: 1e3 * cell.seconds["forward"],
    "peak memory of forward and backward, MiB": lambda cell: cell.peak_bytes["training"] / 2**20,
}


def print_lengths(
    cells: Sequence[Cell], contenders: Sequence[Contender | Floor], reset_rate: float, lengths: Sequence[int]
) -> None:
    """Print a table of every measure, contenders by lengths; then what was skipped, and why."""
    found = {(cell.name, cell.length): cell for cell in cells if cell.reset_rate == reset_rate}
    for title, measure in MEASURES.items():
        lines = {}
        for contender in contenders:
            is_time = "ms" in title
            if isinstance(contender, Floor) and not (is_time and "backward" in title):
                continue
            row = [found[contender.name, length] for length in lengths]
            lines[label(contender)] = [None if cell.skipped else measure(cell) for cell in row]
        print_table(f"{title} (reset rate {reset_rate:g})", [f"T={length:,}" for length in lengths], lines)
    for cell in found.values():
        if cell.skipped:
            print(f"skipped: {cell.name}, T={cell.length:,}: {cell.skipped}")


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


def print_table(title: str, columns: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> None:
    """Print an aligned table; None is a dash."""
    first = max(len(name) for name in lines) if lines else 0
    widths = [max(10, len(column) + 2) for column in columns]
    print(f"\n{title}")
    print(" " * first + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True)))
    for name, values in lines.items():
        texts = ["-" if value is None else format_number(value) for value in values]
        print(
            f"{name:{first}}" + "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        )


def format_number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
        for contender in contenders:
            peer = found.get((contender.name, length, rate))
            if name in cores and peer is not None and is_peer(contender, name, cores[name]):
                ratio = cell.seconds["training"] / peer.seconds["training"]
                ratios.append(
                    {"core": name, "peer": peer.name, "length": length, "reset_rate": rate, "training": ratio}
                )
    return ratios


def make_document(
    cells: Sequence[Cell],
    acting: Sequence[Acting],
    contenders: Sequence[Contender | Floor],
    cores: Mapping[str, MemoryCore],
) -> dict[str, Any]:
    """Gather everything found as plain values."""
    sizes = {
        name: {
            "parameters": sum(parameter.numel() for parameter in core.parameters()),
            "carry_size": core.carry_size(),
            "carry_bytes": carry_bytes(core),
        }
        for name, core in cores.items()
    }
    return {
        "cores": sizes,
        "cells": [asdict(cell) for cell in cells],
        "acting": [asdict(part) for part in acting],
        "ratios": find_ratios(cells, contenders, cores),
    }


def draw(
    path: Path,
    title: str,
    cells: Sequence[Cell],
    contenders: Sequence[Contender | Floor],
    cores: Mapping[str, MemoryCore],
) -> Path:
    """Draw the training times of every core and of what it is held against; dashed lines have resets."""
    from scripts.figures import draw_core_times  # Matplotlib takes a second to import.

    rates = sorted({cell.reset_rate for cell in cells})
    panels = {}
    for name, core in cores.items():
        lines: list[dict[str, Any]] = []
        others = [contender for contender in contenders if is_peer(contender, name, core)]
        own = next(contender for contender in contenders if contender.name == name)
        for contender in (own, *others):
            heeds = isinstance(contender, Contender) and contender.resets
            for rate in rates if heeds else rates[:1]:
                points = [
                    (cell.length, cell.seconds["training"])
                    for cell in cells
                    if cell.name == contender.name and cell.reset_rate == rate and not cell.skipped
                ]
                suffix = f", resets {rate:g}" if heeds else ""
                text = f"{label(contender)}{suffix}"
                line = {"of": contender.name, "label": text, "points": points, "dashed": rate > 0}
                lines += [line] if points else []
        panels[name] = lines
    return draw_core_times(path, title, panels)
