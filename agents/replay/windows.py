"""Which windows of a replay make a batch: draws that depend on a key alone."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from engram.common.streams import fractions, whole_numbers

Sampling = Literal["uniform", "recency", "prioritized", "episodes"]


def draw_windows(
    key: int, batch_size: int, num_envs: int, num_starts: int, by_recency: bool
) -> tuple[Tensor, Tensor]:
    """Draw environments and ages of windows, independently and with replacement.

    Every window is drawn alike; or, by recency, the logarithm of the age uniformly:
    P(age = a) = ln((a + 2) / (a + 1)) / ln(num_starts + 1), which is about proportional to 1 / (a + 1.5), so
    half of the windows are among the newest √num_starts.

    Args:
        key: from `engram.common.streams.stream_key`.
        batch_size: B.
        num_envs: environments to choose from.
        num_starts: rows to begin at, the same number in every environment.
        by_recency: see above.

    Returns:
        Environments and ages, int64 `[B]` on the CPU; age 0 is the newest row to begin at.
    """
    draws = whole_numbers(key, 2 * batch_size)
    env, place = draws[:batch_size] % num_envs, draws[batch_size:]
    if not by_recency:
        return env, place % num_starts
    age = torch.exp(fractions(place) * math.log(num_starts + 1)).long() - 1
    return env, age.clamp(0, num_starts - 1)  # rounding may reach the end
