"""What a task knows and a single observation does not show: what a memory would have to hold."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Hidden(NamedTuple):
    """One thing that a task hides, at the present row of every environment.

    Attributes:
        value: choices, int64 `[B]` or `[B, n]`, or real numbers, float32 `[B, n]`.
        num_classes: of each choice; None of real numbers.
        is_shown: whether the present row's observation shows it, bool `[B]`; None where `rows_ago` says when.
        rows_ago: how many rows ago it was last shown, int64 `[B]`; −1 if the episode has not shown it.
    """

    value: Tensor
    num_classes: int | None = None
    is_shown: Tensor | None = None
    rows_ago: Tensor | None = None
