"""The policy of bounded continuous actions: normal numbers, squashed to [-1, 1] by the hyperbolic tangent."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0


class TanhGaussian:
    """Independent normals whose samples are squashed: action `[..., *shape]` float in [-1, 1].

    Samples can be differentiated with respect to the parameters. There is no entropy in closed form; minus the
    log-density of a sample estimates it.

    Args:
        mean: of the normals, `[..., n]`.
        log_std: natural logarithm of their standard deviations, `[..., n]`; cut to [-20, 2].
        shape: shape of one action, `n` its number of elements.

    Source: Haarnoja et al., "Soft actor-critic algorithms and applications", 2018, appendix C.
    """

    def __init__(self, mean: Tensor, log_std: Tensor, shape: tuple[int, ...]) -> None:
        self.mean, self.shape = mean, shape
        self.log_std = log_std.clamp(MIN_LOG_STD, MAX_LOG_STD)

    @property
    def parameters(self) -> Tensor:
        """The numbers that define it: means and logarithms of standard deviations, `[..., 2n]`."""
        return torch.cat([self.mean, self.log_std], dim=-1)

    def sample(self, uniform: Tensor) -> Tensor:
        """Draw actions `[..., *shape]` from uniform noise in (0, 1), `[..., n]`."""
        return self.sample_with_log_prob(uniform)[0]

    def sample_with_log_prob(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Draw actions `[..., *shape]` as `sample` does, each with its log-density `[...]`.

        The density is computed from the number that was squashed: near the bounds the action alone has lost it.
        """
        z = torch.special.ndtri(uniform)
        u = self.mean + self.log_std.exp() * z
        log_normal = -0.5 * z.square() - self.log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(u)²), without a difference of nearly equal numbers.
        log_slope = 2 * (math.log(2) - u - F.softplus(-2 * u))
        return self._unflatten(u.tanh()), (log_normal - log_slope).sum(-1)

    def mode(self) -> Tensor:
        """Return the squashed mean, which is the median: `[..., *shape]`."""
        return self._unflatten(self.mean.tanh())

    def _unflatten(self, flat: Tensor) -> Tensor:
        return flat.reshape(*flat.shape[:-1], *self.shape)
