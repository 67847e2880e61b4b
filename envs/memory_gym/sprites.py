"""What Memory Gym's pictures are made of, pixel by pixel: the player, the commands, a cross.

Pictures are those of memory-gym 1.0.2 (MIT), x before y.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SIDE = 84
"""Pixels along a side of a picture."""
PLAYER_SIZE = 12
TURNED_SIZE = 16
"""Pixels along a side of what holds a player that looks any of eight ways; its middle is pixel (8, 8)."""
COMMANDS = {
    "right": (1, 0),
    "down": (0, 1),
    "left": (-1, 0),
    "up": (0, -1),
    "stay": (0, 0),
    "right_down": (1, 1),
    "right_up": (1, -1),
    "left_down": (-1, 1),
    "left_up": (-1, -1),
}
"""Steps of (x, y) by the names of commands, in the order of their numbers."""
_COMMAND_PLACE = 31
_BODY, _HAND, _RED = (250, 204, 153), (50, 50, 50), (255, 0, 0)
# Rows of pixels, the highest bit on the left.
_BODY_ROWS = (0x0F0, 0x1F8, 0x3FC, 0x7FE, *[0xFFF] * 4, 0x7FE, 0x3FC, 0x1F8, 0x0F0)
_HAND_ROWS = (0x6, 0xF, 0xF, 0x6)
# Where the hands begin, of a player that looks up, left and up, left, …, by turns of 45 degrees.
_HANDS = (
    *(((2, 2), (10, 2)), ((0, 6), (5, 0)), ((2, 2), (2, 10)), ((0, 6), (6, 11))),
    *(((2, 10), (10, 10)), ((6, 11), (11, 6)), ((10, 2), (10, 10)), ((11, 6), (6, 0))),
)
_CROSS_ROWS = (0x303, 0x387, 0x1CE, 0x0FC, 0x078, 0x078, 0x0FC, 0x1CE, 0x387, 0x303)
_ARROW_ROWS = (
    *(0xC00, 0x600, 0x300, 0x180, 0xC0, 0x60, 0x30, 0x18, 0xC, 0x6, 0x3FFFFF, 0x3FFFFE),
    *(0xC, 0x18, 0x30, 0x60, 0xC0, 0x180, 0x300, 0x600, 0xC00, 0),
)
_STAY_ROWS = (
    *(0x7E00, 0x1FF80, 0x3C3C0, 0x700E0, 0xC0030, 0x1C0038, 0x180018, 0x38001C, 0x30000C, 0x3FFFFC, 0x3FFFFC),
    *(0x30000C, 0x38001C, 0x180018, 0x1C0038, 0xC0030, 0x700E0, 0x3C3C0, 0x1FF80, 0x7E00, 0, 0),
)
# These lie (6, 7) pixels further, and are not quite the same turned by a right angle.
_DIAGONAL_ROWS = {
    "right_down": (
        *(0x8002, 0x1C001, 0xE003, 0x7002, 0x3803, 0x1C03, 0xE02, 0x703, 0x381, 0x1C3, 0xE2, 0x73, 0x3B),
        *(0x1E, 0x993F, 0xFFFF),
    ),
    "right_up": (
        *(0xDBB6, 0x17EFE, 0xE, 0x1E, 0x3E, 0x76, 0xE2, 0x1C2, 0x386, 0x702, 0xE02, 0x1C06, 0x3806, 0x7002),
        *(0xE002, 0x1C006, 0x8000),
    ),
    "left_down": (
        *(0x2, 0xC007, 0xC00E, 0x801C, 0xC038, 0xC070, 0x80E0, 0x81C0, 0xC380, 0x8700, 0x8E00, 0xDC00),
        *(0xF800, 0xF000, 0xE000, 0xFEFF, 0xDBB6),
    ),
    "left_up": (
        *(0, 0x1FFFE, 0x1F936, 0xF000, 0x1B800, 0x19C00, 0x8E00, 0x18700, 0x10380, 0x181C0, 0x80E0),
        *(0x18070, 0x18038, 0x801C, 0x1800E, 0x18007, 0x8002),
    ),
}


def _bits(rows: Sequence[int], width: int) -> Tensor:
    """Which pixels rows set, bool [width, len(rows)]: x before y."""
    return torch.tensor([[bool(row >> (width - 1 - x) & 1) for row in rows] for x in range(width)])


def draw_turned_players() -> tuple[Tensor, Tensor]:
    """Draw the player as it looks up, left and up, left, and so on, by turns of 45 degrees.

    Returns:
        Its colours, uint8 [8, 16, 16, 3], and which pixels it covers, bool [8, 16, 16]; its middle is pixel (8, 8).
    """
    body, hand = _bits(_BODY_ROWS, PLAYER_SIZE), _bits(_HAND_ROWS, len(_HAND_ROWS))
    is_hand = torch.zeros(len(_HANDS), TURNED_SIZE, TURNED_SIZE, dtype=torch.bool)
    for turned, places in zip(is_hand, _HANDS, strict=True):
        for left, top in places:
            turned[left : left + len(hand), top : top + len(hand)] |= hand
    colors = torch.where(is_hand[..., None], torch.tensor(_HAND), torch.tensor(_BODY)).to(torch.uint8)
    margin = (TURNED_SIZE - PLAYER_SIZE) // 2
    return colors, torch.nn.functional.pad(body, (margin,) * 4) | is_hand


def draw_players() -> tuple[Tensor, Tensor]:
    """Draw the player as it looks up, left, down and right.

    Returns:
        Its colours, uint8 [4, 12, 12, 3], and which pixels it covers, bool [4, 12, 12].
    """
    margin = (TURNED_SIZE - PLAYER_SIZE) // 2
    inner = slice(margin, margin + PLAYER_SIZE)
    colors, covered = draw_turned_players()
    return colors[::2, inner, inner], covered[::2, inner, inner]


def draw_command(name: str) -> Tensor:
    """Which pixels of a picture a command's white sign covers, bool [84, 84]."""
    shift = _COMMAND_PLACE
    if name in _DIAGONAL_ROWS:
        sign, left, top = _bits(_DIAGONAL_ROWS[name], 18), shift + 6, shift + 7
    elif name == "stay":
        sign, left, top = _bits(_STAY_ROWS, 22), shift, shift
    else:
        turns = ("right", "up", "left", "down").index(name)
        sign, left, top = _bits(_ARROW_ROWS, 22).rot90(-turns, (0, 1)), shift, shift
    covered = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    covered[left : left + sign.shape[0], top : top + sign.shape[1]] = sign
    return covered


def draw_cross() -> tuple[Tensor, Tensor]:
    """Draw the red cross over a player.

    Returns:
        Its colour, uint8 [3], and which of the player's pixels it covers, bool [12, 12].
    """
    cross = torch.nn.functional.pad(_bits(_CROSS_ROWS, len(_CROSS_ROWS)), (1, 1, 1, 1))
    return torch.tensor(_RED, dtype=torch.uint8), cross
