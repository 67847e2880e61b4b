"""How groups are told apart besides by colours, and what numbers are called in figures."""

from __future__ import annotations

from engram.common.colours import COLOURS

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


def dashes(index: int) -> tuple[float, ...]:
    """The dashes of the group at `index`; another kind for each, so that print in grey works."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)]
