"""Reading what an update measured, and finding the first number that went bad."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engram.common.nested import dotted
from engram.common.ranks import ALONE, Ranks


def read_metrics(
    metrics: Mapping[str, Tensor], seen: Mapping[str, Any], ranks: Ranks = ALONE
) -> dict[str, float]:
    """Bring the metrics of an update to the host, all at once: each copy waits for the device.

    Args:
        metrics: one number each, the same on all ranks.
        seen: what must be finite, by name, in the order in which it came about; it is searched only if a metric is not.
        ranks: all of which stop where one finds something.

    Raises:
        FloatingPointError: names the first tensor of `seen` with a number that is not finite.
    """
    return _named(metrics, _stacked(metrics).tolist(), seen, ranks)


def read_metrics_with(
    vector: Tensor, metrics: Mapping[str, Tensor], seen: Mapping[str, Any], ranks: Ranks = ALONE
) -> tuple[Tensor, dict[str, float]]:
    """Do as `read_metrics`, and bring a vector `[n]` to the host in the same copy; returns it first, float32."""
    numbers = torch.cat([vector.detach().float(), _stacked(metrics)]).cpu()
    return numbers[: len(vector)], _named(metrics, numbers[len(vector) :].tolist(), seen, ranks)


def _stacked(metrics: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([metric.detach().float() for metric in metrics.values()])


def _named(
    metrics: Mapping[str, Tensor], values: list[float], seen: Mapping[str, Any], ranks: Ranks
) -> dict[str, float]:
    if not all(map(math.isfinite, values)):
        found = [fault for fault in ranks.collect(first_nonfinite(seen)) if fault is not None]
        if found:
            raise FloatingPointError(found[0])
    return dict(zip(metrics, values, strict=True))


def first_nonfinite(tensors: Mapping[str, Any]) -> str | None:
    """Search nested mappings of tensors, in order, for NaN and infinity.

    Args:
        tensors: nested mappings or TensorDicts; only floating-point tensors are checked.

    Returns:
        A sentence that names the first tensor with a number that is not finite; None if there is none.
    """
    for name, tensor in dotted(tensors, separator="/").items():
        is_real = isinstance(tensor, Tensor) and tensor.is_floating_point()
        if is_real and not torch.isfinite(tensor).all():
            return (
                f"Every number in training must be finite, but {name} holds NaN or infinity; the run stops and its "
                "last checkpoint is intact. Try a lower learning rate, or check the environment's observations."
            )
    return None
