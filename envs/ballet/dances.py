"""The thirteen dances: sixteen moves each, within a cell of the place where they begin and end."""

from __future__ import annotations

import torch
from torch import Tensor

COMPASS = {
    "N": (-1, 0),
    "NE": (-1, 1),
    "E": (0, 1),
    "SE": (1, 1),
    "S": (1, 0),
    "SW": (1, -1),
    "W": (0, -1),
    "NW": (-1, -1),
}
"""Directions as steps of (row, column), in the order of the actions."""
DANCE_LENGTH = 16
_MOVES = {
    "circle_cw": "N E S S W W N N E E S S W W N E",
    "circle_ccw": "N W S S E E N N W W S S E E N W",
    "up_and_down": "N S S N " * 4,
    "left_and_right": "E W W E " * 4,
    "diagonal_uldr": "NW SE SE NW " * 4,
    "diagonal_urdl": "NE SW SW NE " * 4,
    "plus_cw": "N S E W S N W E " * 2,
    "plus_ccw": "N S W E S N E W " * 2,
    "times_cw": "NE SW SE NW SW NE NW SE " * 2,
    "times_ccw": "NW SE SW NE SE NW NE SW " * 2,
    "zee": "NE W W E E SW NE SW SW E E W W NE SW NE",
    "chevron_down": "NW S SE NE N SW NE SW NE S SW NW N SE NW SE",
    "chevron_up": "SE N NW SW S NE SW NE SW N NE SE S NW SE NW",
}
DANCES = tuple(_MOVES)
"""Their names, which are what the agent is told."""


def compass_steps() -> Tensor:
    """Return (row, column) of every direction, int64 [8, 2]."""
    return torch.tensor(list(COMPASS.values()))


def dance_offsets() -> Tensor:
    """Return how far a dancer is from its place after so many moves: int64 [13, DANCE_LENGTH + 1, 2]."""
    moves = torch.tensor([[COMPASS[move] for move in text.split()] for text in _MOVES.values()])
    return torch.nn.functional.pad(moves.cumsum(1), (0, 0, 1, 0))
