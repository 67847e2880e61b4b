"""How groups are told apart besides by colours, and what numbers are called in figures."""

from __future__ import annotations

from typing import Any, NamedTuple

from engram.common.colours import COLOURS, GREY

# Lengths of strokes and gaps in points.
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (3, 1.5), (8, 2, 2, 2), (4, 1, 1, 1, 1, 1))

LABELS = {
    "env_steps": "environment steps",
    "wall_clock": "seconds of collecting and learning",
    "mmer": "MMER",
    "area": "area under the curve",
    "final_evaluation": "final evaluation",
    "mean": "mean",
    "median": "median",
    "iqm": "interquartile mean",
    "optimality_gap": "optimality gap",
}


class Look(NamedTuple):
    """How a group's lines look.

    Attributes:
        colour: `#RRGGBB`.
        dashes: lengths of strokes and gaps in points.
    """

    colour: str
    dashes: tuple[float, ...]


def look(document: dict[str, Any], index: int) -> Look:
    """How the group at `index` of a comparison looks: a control, which stands after the others, grey and dashed."""
    place = index - (len(document["groups"]) - len(document["controls"]))
    if place < 0:
        own = shades(document)
        return Look(COLOURS[own[index % len(own)]], dashes(index))
    return Look(GREY, DASHES[1 + place % (len(DASHES) - 1)])


def shades(document: dict[str, Any]) -> list[int]:
    """The places in the palette that groups have in turn: where there is a control, none but it is grey."""
    return [place for place, shade in enumerate(COLOURS) if shade != GREY or not document["controls"]]


def dashes(index: int) -> tuple[float, ...]:
    """The dashes of the group at `index`; another kind for each, so that print in grey works."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)]
