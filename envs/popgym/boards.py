"""What the board games share: sets of cells as bits of integers, and a fair choice among allowed cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engram.envs.native import NativeVectorEnv

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


def one_environment(env: NativeVectorEnv, index: int) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return, in host memory and for drawing, the task's tensors of one environment and its last action.

    Args:
        env: after its reset.
        index: which environment.

    Returns:
        The tensors without their batch axis, and the action that led to the last row, None on a first one.

    Raises:
        ValueError: if the environment was not reset, or has no such index.
    """
    if env.state is None or env._row is None:
        raise ValueError(f"A picture shows a running episode, but {env.name} has none: call reset first.")
    if not 0 <= index < env.num_envs:
        raise ValueError(
            f"A picture shows one of the environments 0..{env.num_envs - 1}, but index is {index}: "
            "choose one of these."
        )
    task: dict[str, Any] = {key: value[index].cpu() for key, value in env.state["task"].items()}
    row = env._row[index]
    return task, None if row["is_first"] else row["prev_action"].cpu()
