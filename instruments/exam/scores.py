"""The scores of the exam, as pure functions of what was predicted and what came."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Score(NamedTuple):
    """One score of one model.

    Attributes:
        value: from 0 to 1.
        standard_error: of the value over what was asked, as if these were drawn independently.
        chance: what guessing is worth.
        asked: how many were asked.
    """

    value: float
    standard_error: float
    chance: float
    asked: int


def share(is_right: Tensor, chance: float) -> Score:
    """Score p = right / asked, with standard error √(p (1 - p) / asked).

    Args:
        is_right: bool, any shape, one entry for each that was asked.
        chance: share that guessing gets right.
    """
    count = is_right.numel()
    value = is_right.float().mean().item()
    return Score(value, math.sqrt(value * (1 - value) / count), chance, count)


def balanced_accuracy(predicted: Tensor, truth: Tensor) -> Score:
    """Score (p + q) / 2: p is the share of the true that are told so, q that of the false.

    One answer for all is worth 1/2, however rare the true are. The standard error is
    √(p (1 - p) / n + q (1 - q) / m) / 2, of n true ones and m false ones.

    Args:
        predicted: bool, any shape.
        truth: bool, the same shape, with both values in it.

    Raises:
        ValueError: if the truth has one value alone.
    """
    parts = [share(predicted[truth], 0.5), share(~predicted[~truth], 0.5)] if _has_both(truth) else []
    if not parts:
        raise ValueError(
            "A balanced accuracy weighs what is true and what is false alike, so that both must have come, but all "
            f"{truth.numel()} are {bool(truth.flatten()[0]) if truth.numel() else 'absent'}; ask more episodes."
        )
    error = math.sqrt(sum(part.standard_error**2 for part in parts)) / 2
    return Score(sum(part.value for part in parts) / 2, error, 0.5, truth.numel())


def balanced_share(is_right: Tensor, kind: Tensor) -> Score:
    """Score (p + q) / 2: p is the share that is right of one kind of rows, q that of the other.

    Args:
        is_right: bool, any shape.
        kind: bool, the same shape.
    """
    return balanced_accuracy(torch.where(is_right, kind, ~kind), kind)


def nearest_candidate(prediction: Tensor, candidates: Tensor) -> Tensor:
    """Find to which of K things a prediction is nearest, by its mean squared difference.

    Args:
        prediction: `[..., n]`.
        candidates: `[..., K, n]`.

    Returns:
        Index of the nearest one, int64 `[...]`.
    """
    return (candidates - prediction.unsqueeze(-2)).square().mean(-1).argmin(-1)


def _has_both(truth: Tensor) -> bool:
    return bool(truth.any()) and not bool(truth.all())
