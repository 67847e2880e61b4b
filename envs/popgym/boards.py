"""What the board games share: sets of cells as bits of integers, and a fair choice among allowed cells."""

from __future__ import annotations

import torch
from torch import Tensor

WORD = 64
"""Cells in one integer. A step that adds a cell to a set copies the set, so a board takes a bit per cell."""


def num_words(num_cells: int) -> int:
    """Return how many integers a set of cells takes."""
    return -(-num_cells // WORD)


def has_cell(cells: Tensor, cell: Tensor) -> Tensor:
    """Return whether a cell is in a set.

    Args:
        cells: int64 [B, W], cell c is bit `c % 64` of word `c // 64`.
        cell: int64 [B].

    Returns:
        bool [B].
    """
    word = cells.gather(1, (cell // WORD).unsqueeze(1)).squeeze(1) if cells.shape[1] > 1 else cells[:, 0]
    return ((word >> (cell % WORD)) & 1).to(torch.bool)


def add_cell(cells: Tensor, cell: Tensor) -> Tensor:
    """Return the sets, int64 [B, W], with a cell each, int64 [B], in addition."""
    bit = (torch.ones_like(cell) << (cell % WORD)).unsqueeze(1)
    if cells.shape[1] == 1:
        return cells | bit
    word = torch.arange(cells.shape[1], device=cells.device)
    return cells | torch.where(word == (cell // WORD).unsqueeze(1), bit, 0)


def pack(mask: Tensor) -> Tensor:
    """Turn bool [..., C] into the set of its true cells, int64 [..., W]."""
    width = num_words(mask.shape[-1]) * WORD
    bits = torch.nn.functional.pad(mask.to(torch.int64), (0, width - mask.shape[-1]))
    shifted = bits.unflatten(-1, (-1, WORD)) << torch.arange(WORD, device=mask.device)
    return shifted.sum(-1)  # no two share a bit, so that the sum is the union


def unpack(cells: Tensor, num_cells: int) -> Tensor:
    """Turn a set, int64 [..., W], into bool [..., num_cells]."""
    bits = (cells.unsqueeze(-1) >> torch.arange(WORD, device=cells.device)) & 1
    return bits.flatten(-2)[..., :num_cells].to(torch.bool)


def count_cells(words: Tensor) -> Tensor:
    """Count the set bits of every int64, by adding neighbouring fields of 1, 2, 4 and 8 bits."""
    words = words - ((words >> 1) & 0x5555555555555555)
    words = (words & 0x3333333333333333) + ((words >> 2) & 0x3333333333333333)
    words = (words + (words >> 4)) & 0x0F0F0F0F0F0F0F0F
    return (words * 0x0101010101010101) >> 56


def choose(allowed: Tensor, draw: Tensor, bits: int = 32) -> Tensor:
    """Choose one of the allowed places, each equally likely.

    Args:
        allowed: bool [B, P].
        draw: int64 [B], uniform in [0, 2**bits).
        bits: of the draw, up to 32.

    Returns:
        int64 [B]: the place; P where none is allowed.
    """
    # Most rows are shorter than 2**15, and sums of short integers are several times faster.
    rank = allowed.cumsum(1, dtype=torch.int16)
    chosen = (draw * rank[:, -1]) >> bits
    return (rank <= chosen.unsqueeze(1)).sum(1)
