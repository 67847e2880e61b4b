"""The one palette of figures: hues that the colour-blind can separate."""

from __future__ import annotations

# The hues of Okabe and Ito (2008), the strong ones first, the pale ones darkened: lines need a contrast of 3.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B8588E", "#A87700", "#666666", "#3A95CC")
# On a dark ground: the same hues, lighter.
DARK_COLOURS = ("#4DA6E0", "#FF8A3D", "#2CC79A", "#E59CC4", "#E6B422", "#A8A8A8", "#8FD0F5")
BLUE, ORANGE, *_, GREY, LIGHT_BLUE = COLOURS
DARK_GREY = DARK_COLOURS[COLOURS.index(GREY)]


def colour(index: int) -> str:
    """The colour of the line at `index`."""
    return COLOURS[index % len(COLOURS)]
