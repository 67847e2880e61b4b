"""Symlog and two-hot: regression of numbers of any magnitude as classification over fixed bins."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Spacing = Literal["symlog", "symexp"]


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|): the identity near 0, a logarithm far from it."""
    return x.sign() * x.abs().log1p()


class Symlog(nn.Module):
    """`symlog` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Squash `x` of any shape."""
        return symlog(x)


def symexp(x: Tensor) -> Tensor:
    """sign(x) (exp |x| - 1), the inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


def make_bins(spacing: Spacing, num_bins: int = 255) -> Tensor:
    """Bins that are symmetric about 0 to the last bit, the outermost of 255 at 20 in symlog space, as published.

    Args:
        spacing: `symlog`: uniform, for targets that are squashed by symlog; `symexp`: `symexp` of these,
            for targets as they are.
        num_bins: an odd number n, so that 0 is a bin; fewer end nearer to 0, as far from each other.

    Returns:
        Ascending float32 `[n]`.
    """
    half = num_bins // 2
    positive = torch.linspace(0.0, 20.0 * half / 127, half + 1)[1:]
    if spacing == "symexp":
        positive = symexp(positive)
    return torch.cat([-positive.flip(0), torch.zeros(1), positive])


class TwoHot:
    """Distributions over bins that stand for one number each.

    Args:
        logits: `[..., n]`.
        bins: from `make_bins`, `[n]`.
        spacing: of the bins.

    Source: Hafner et al. 2023 (DreamerV3): `symlog` bins in the first version, `symexp` bins since.
    """

    def __init__(self, logits: Tensor, bins: Tensor, spacing: Spacing) -> None:
        self.logits, self.bins, self.spacing = logits.float(), bins, spacing

    def __getitem__(self, index: Any) -> TwoHot:
        """Pick some of the distributions."""
        picked = TwoHot(self.logits[index], self.bins, self.spacing)
        if "log_probs" in vars(self):
            vars(picked)["log_probs"] = self.log_probs[index]
        return picked

    @cached_property
    def log_probs(self) -> Tensor:
        """Log-probabilities of the bins, `[..., n]`: computed once, with gradients wherever the logits have any."""
        with torch.set_grad_enabled(self.logits.requires_grad):
            return F.log_softmax(self.logits, dim=-1)

    def mean(self) -> Tensor:
        """Return the predicted number `[...]`; exactly 0 where all logits are equal."""
        probs = self.logits.softmax(-1)
        middle = self.bins.shape[0] // 2
        # Opposite bins are paired before the sum: rounding cannot leave a rest of symmetric probabilities.
        difference = probs[..., middle + 1 :] - probs[..., :middle].flip(-1)
        mean = (difference * self.bins[middle + 1 :]).sum(-1)
        return symexp(mean) if self.spacing == "symlog" else mean

    def log_prob(self, target: Tensor, *others: Tensor) -> Tensor:
        """Log-likelihood of numbers `[...]`: the bins on either side share it by nearness.

        Args:
            target: `[...]`; no gradient goes into it.
            others: further numbers `[...]`, whose log-likelihoods are added.

        Returns:
            Minus the cross-entropy with the two-hot target, `[...]`.
        """
        targets = torch.stack([target, *others], dim=-1).detach()
        below, weight = two_hot(targets, self.bins, self.spacing)
        either = torch.cat([below, below + 1], dim=-1)
        return (self.log_probs.gather(-1, either) * torch.cat([weight, 1 - weight], dim=-1)).sum(-1)


def two_hot(target: Tensor, bins: Tensor, spacing: Spacing) -> tuple[Tensor, Tensor]:
    """Find the two bins around every number.

    Args:
        target: `[...]`; beyond the outermost bins it counts as the outermost.
        bins: from `make_bins`, `[n]`.
        spacing: of the bins.

    Returns:
        Index of the bin below, at most n - 2, and its weight; the rest belongs to the bin above. Both `[...]`.
    """
    position = (symlog(target) if spacing == "symlog" else target).float().contiguous()
    below = (torch.searchsorted(bins, position, right=True) - 1).clamp(0, bins.shape[0] - 2)
    low, high = bins[below], bins[below + 1]
    return below, ((high - position) / (high - low)).clamp(0.0, 1.0)
