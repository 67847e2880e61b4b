"""Hidden paths across a grid, drawn by number."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from engram.common.random import hash_integers, purpose, randint

_SIDE, _START, _END, _SEARCH = (
    purpose(name) for name in ("side", "path's start", "path's end", "path search")
)


@functools.cache
def draw_paths(count: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the first so many paths, the same ones every time; each crosses from one side to the opposite one.

    Args:
        count: of paths.
        size: cells along a side of the grid.

    Returns:
        The cell where each starts and where it ends, int64 [count], and which cells are on it, bool [count, size**2];
        cell (x, y) has the number `size * x + y`. They are the same tensors every time, not to be written to.
    """
    # numba is imported where it is first needed, since that takes half a second.
    from engram.envs.memory_gym.path_search import find_paths, num_draws

    number = torch.arange(count)
    side = randint(4, _SIDE, number)  # where the path starts: left, right, top, bottom
    start, end = randint(size, _START, number), randint(size, _END, number)
    near = torch.where(side % 2 == 0, 0, size - 1)
    is_flat = side < 2
    starts = torch.where(is_flat, near * size + start, start * size + near)
    ends = torch.where(is_flat, (size - 1 - near) * size + end, end * size + size - 1 - near)
    draws = hash_integers(_SEARCH, number[:, None], torch.arange(num_draws(size)))
    on_path = torch.empty(count, size**2, dtype=torch.bool)
    find_paths(draws.numpy(), starts.numpy(), ends.numpy(), size, on_path.numpy())
    return starts, ends, on_path
