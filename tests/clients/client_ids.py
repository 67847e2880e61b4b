"""What the clients' tests run on: every registered native, made small."""

import warnings
from contextlib import contextmanager

import native_ids

IDS = sorted(native_ids.IDS)
_BOARDS = ("Battleship", "Concentration", "Labyrinth", "MineSweeper")
_DRAWING = (
    *_BOARDS,
    "MemoryMaze",
    "MiniGrid",
    "RedBlueDoors",
    "allet",
    "KeyToDoor",
    "VisualMatch",
    "MortarMayhem",
    "MysteryPath",
)
DRAWN = [id for id in IDS if any(name in id for name in _DRAWING)]
# What Gymnasium says of its own environments too: infinite bounds and actions beyond [-1, 1].
_EXPECTED = (
    "A Box observation space m",
    "For Box action spaces, we recommend",
    "We recommend you to use a symmetric",
)


@contextmanager
def no_unexpected_warning(*more: str):
    """Fail on a warning that does not hold one of the expected sentences, or of those given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages = [str(warning.message) for warning in caught]
    assert not [m for m in messages if not any(known in m for known in (*_EXPECTED, *more))]
