"""How groups are told apart: colours that the colour-blind can separate, and dashes besides."""

from __future__ import annotations

# The hues of Okabe and Ito (2008), the strong ones first, the pale ones darkened: lines need a contrast of 3.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B8588E", "#A87700", "#666666", "#3A95CC")
# On a dark ground: the same hues, lighter.
DARK_COLOURS = ("#4DA6E0", "#FF8A3D", "#2CC79A", "#E59CC4", "#E6B422", "#A8A8A8", "#8FD0F5")
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


def colour(index: int) -> str:
    """The colour of the group at `index`."""
    return COLOURS[index % len(COLOURS)]


def dashes(index: int) -> tuple[float, ...]:
    """The dashes of the group at `index`; another kind for each, so that print in grey works."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)]
