"""Action distributions: what a policy head's numbers mean for each kind of action space.

Each class is a function of its parameters alone. Samples are made from noise that the caller supplies,
so that randomness stays counter-based and out of here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Self

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor

from engram.common.actions import action_layout, action_mask_size
from engram.common.spaces import options_of


class ActionDistribution(ABC):
    """A batch of action distributions, `[...]` being its batch shape.

    Attributes:
        parameters: the numbers that define it, `[..., num_parameters]`; `rebuild` is the inverse.
    """

    parameters: Tensor

    @abstractmethod
    def rebuild(self, parameters: Tensor) -> Self:
        """Make a distribution of the same kind from stored `parameters` `[..., num_parameters]`."""

    @abstractmethod
    def sample(self, uniform: Tensor) -> Tensor:
        """Draw actions from uniform noise in (0, 1), `[..., num_uniforms]`."""

    @abstractmethod
    def mode(self) -> Tensor:
        """Return the most likely action."""

    @abstractmethod
    def log_prob(self, action: Tensor) -> Tensor:
        """Log-probability (density for continuous actions) of `action`, `[...]`."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """Entropy in nats, `[...]`."""

    @abstractmethod
    def kl_divergence(self, other: Self) -> Tensor:
        """KL(self ‖ other) in nats, `[...]`."""


class Categorical(ActionDistribution):
    """One choice among n: action `[...]` int64.

    Args:
        logits: unnormalised log-probabilities `[..., n]`.
        mask: allowed actions `[..., n]` bool; a forbidden one gets probability 0. Default: all allowed. Where none
            is, as may be on an episode's last row, whose action is ignored, all are alike.
    """

    def __init__(self, logits: Tensor, mask: Tensor | None = None) -> None:
        if mask is not None:
            # A finite floor keeps gradients and the entropy of forbidden actions at exactly 0; one far from the least
            # number does so under any coefficient.
            logits = torch.where(mask, logits, torch.finfo(logits.dtype).min * 2.0**-40)
        self.log_probs = F.log_softmax(logits, dim=-1)
        self.parameters = self.log_probs

    def rebuild(self, parameters: Tensor) -> Categorical:
        """Make a categorical from stored log-probabilities `[..., n]`."""
        return Categorical(parameters)

    def sample(self, uniform: Tensor) -> Tensor:
        """Gumbel-max: argmax of log-probability plus Gumbel noise −log(−log u); a masked action cannot win."""
        return (self.log_probs - torch.log(-torch.log(uniform))).argmax(dim=-1)

    def mode(self) -> Tensor:
        """Return the most likely action `[...]`."""
        return self.log_probs.argmax(dim=-1)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-probability of `action` `[...]` int64."""
        return self.log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Entropy `[...]`; impossible actions contribute 0."""
        probs = self.log_probs.exp()
        return -(probs * self.log_probs).sum(-1)

    def kl_divergence(self, other: Categorical) -> Tensor:
        """KL(self ‖ other) `[...]`."""
        probs = self.log_probs.exp()
        return (probs * (self.log_probs - other.log_probs)).sum(-1)


class MultiCategorical(ActionDistribution):
    """Independent choices, one per component: action `[..., len(sizes)]` int64.

    Args:
        logits: unnormalised log-probabilities of all components in a row, `[..., sum(sizes)]`.
        sizes: number of options of each component.
        mask: allowed options `[..., sum(sizes)]` bool. Default: all allowed.
    """

    def __init__(self, logits: Tensor, sizes: tuple[int, ...], mask: Tensor | None = None) -> None:
        self.sizes = sizes
        masks = [None] * len(sizes) if mask is None else mask.split(sizes, dim=-1)
        parts = zip(logits.split(sizes, dim=-1), masks, strict=True)
        self.components = [Categorical(part, part_mask) for part, part_mask in parts]
        self.parameters = torch.cat([component.parameters for component in self.components], dim=-1)

    def rebuild(self, parameters: Tensor) -> MultiCategorical:
        """Make the same kind from stored log-probabilities `[..., sum(sizes)]`."""
        return MultiCategorical(parameters, self.sizes)

    def sample(self, uniform: Tensor) -> Tensor:
        """Draw every component from its own noise."""
        noise = uniform.split(self.sizes, dim=-1)
        return torch.stack([c.sample(u) for c, u in zip(self.components, noise, strict=True)], dim=-1)

    def mode(self) -> Tensor:
        """Return the most likely option of every component."""
        return torch.stack([component.mode() for component in self.components], dim=-1)

    def log_prob(self, action: Tensor) -> Tensor:
        """Sum of the components' log-probabilities."""
        pairs = zip(self.components, action.unbind(-1), strict=True)
        return torch.stack([component.log_prob(part) for component, part in pairs]).sum(0)

    def entropy(self) -> Tensor:
        """Sum of the components' entropies."""
        return torch.stack([component.entropy() for component in self.components]).sum(0)

    def kl_divergence(self, other: MultiCategorical) -> Tensor:
        """Sum of the components' divergences."""
        pairs = zip(self.components, other.components, strict=True)
        return torch.stack([mine.kl_divergence(theirs) for mine, theirs in pairs]).sum(0)


class DiagonalGaussian(ActionDistribution):
    """Independent normals over a box: action `[..., *shape]` float, in the policy's own unbounded units.

    The environment adapter clips or rescales; the log-probability is always that of the policy's sample.

    Args:
        mean: `[..., n]`.
        log_std: natural logarithm of the standard deviation, broadcastable to `mean`.
        shape: shape of one action, `n` its number of elements.
    """

    def __init__(self, mean: Tensor, log_std: Tensor, shape: tuple[int, ...]) -> None:
        self.mean, self.log_std = mean, log_std.expand_as(mean)
        self.shape = shape
        self.parameters = torch.cat([self.mean, self.log_std], dim=-1)

    def rebuild(self, parameters: Tensor) -> DiagonalGaussian:
        """Make a Gaussian from stored means and log standard deviations `[..., 2n]`."""
        mean, log_std = parameters.chunk(2, dim=-1)
        return DiagonalGaussian(mean, log_std, self.shape)

    def sample(self, uniform: Tensor) -> Tensor:
        """Inverse-CDF sampling, one uniform number per component."""
        normal = torch.special.ndtri(uniform)
        return self._unflatten(self.mean + self.log_std.exp() * normal)

    def mode(self) -> Tensor:
        """Return the mean."""
        return self._unflatten(self.mean)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density of `action`, summed over its components."""
        z = (action.reshape(self.mean.shape) - self.mean) * (-self.log_std).exp()
        return (-0.5 * z.square() - self.log_std - 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        """Differential entropy, summed over components."""
        return (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def kl_divergence(self, other: DiagonalGaussian) -> Tensor:
        """KL(self ‖ other), summed over components."""
        variance_ratio = (2 * (self.log_std - other.log_std)).exp()
        distance = ((self.mean - other.mean) * (-other.log_std).exp()).square()
        return (0.5 * (variance_ratio + distance - 1) + other.log_std - self.log_std).sum(-1)

    def _unflatten(self, flat: Tensor) -> Tensor:
        return flat.reshape(*flat.shape[:-1], *self.shape)


def num_policy_outputs(space: spaces.Space) -> int:
    """Number of outputs a policy head needs for `space`; also the uniform numbers one sample takes.

    Args:
        space: Discrete, MultiDiscrete (one axis) or Box.

    Returns:
        n for Discrete(n), the sum of all options for MultiDiscrete, the number of elements for Box.

    Raises:
        ValueError: for any other space, or one that holds nothing.
    """
    shape, _ = action_layout(space)
    return action_mask_size(space) or math.prod(shape)


def split_parts(space: spaces.Space, outputs: Tensor) -> tuple[Tensor, ...]:
    """Split numbers per action `[..., num_policy_outputs(space)]` into those of each independent choice."""
    options = options_of(space)
    return (outputs,) if options is None else outputs.split(options, dim=-1)


def make_distribution(
    space: spaces.Space, outputs: Tensor, log_std: Tensor | None, mask: Tensor | None
) -> ActionDistribution:
    """Read a policy head's outputs as a distribution over `space`.

    Args:
        space: the action space.
        outputs: `[..., num_policy_outputs(space)]`.
        log_std: `[n]`, for Box only.
        mask: allowed actions `[..., num_policy_outputs(space)]`, for discrete spaces only.

    Returns:
        The distribution, batch shape `[...]`.
    """
    if isinstance(space, spaces.Discrete):
        return Categorical(outputs, mask)
    options = options_of(space)
    if options is not None:
        return MultiCategorical(outputs, options, mask)
    assert isinstance(space, spaces.Box) and log_std is not None
    return DiagonalGaussian(outputs, log_std, space.shape)
