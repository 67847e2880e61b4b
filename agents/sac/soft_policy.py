"""What a soft actor-critic reads off a policy and a critic: for Box from one sample, for Discrete from all actions."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from engram.agents.networks.distributions import Categorical
from engram.agents.networks.tanh_gaussian import TanhGaussian
from engram.agents.networks.twin_critic import TwinValues


class SoftPolicy(ABC):
    """A policy on rows `[*]`.

    Attributes:
        entropy: `[*]`, or an estimate of it.
    """

    entropy: Tensor

    @abstractmethod
    def evaluate(self, critic: TwinValues, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Read a critic for learning.

        Args:
            critic: its heads.
            features: what they read, `[*, n]`.
            action: that were taken, `[*, ...]`.

        Returns:
            Both heads' values of these actions, `[2, *]`, whose gradient is the critic's and that of the features; and
            the smaller one's value of the policy's own, `[*]`, whose gradient is the policy's alone.
        """

    @abstractmethod
    def value(self, critic: TwinValues, features: Tensor) -> Tensor:
        """Read the smaller value of the policy's own actions off a target critic, `[*]`."""


class SampledPolicy(SoftPolicy):
    """Box: a sample stands for the policy.

    Args:
        distribution: on rows `[*]`.
        uniform: the samples' noise, `[*, n]`.
    """

    def __init__(self, distribution: TanhGaussian, uniform: Tensor) -> None:
        self._action, log_prob = distribution.sample_with_log_prob(uniform)
        self.entropy = -log_prob

    def evaluate(self, critic: TwinValues, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """See `SoftPolicy`."""
        own = _without_gradient(critic, features.detach(), self._action)
        return critic(features, action), own.amin(0)

    def value(self, critic: TwinValues, features: Tensor) -> Tensor:
        """See `SoftPolicy`."""
        return critic(features, self._action).amin(0)


class EnumeratedPolicy(SoftPolicy):
    """Discrete: expectations over all actions. The smaller value is that of each action, before they are averaged.

    Args:
        distribution: on rows `[*]`.
    """

    def __init__(self, distribution: Categorical) -> None:
        self._probs, self.entropy = distribution.log_probs.exp(), distribution.entropy()

    def evaluate(self, critic: TwinValues, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """See `SoftPolicy`."""
        values = critic(features)
        index = action.expand(2, *action.shape).unsqueeze(-1)
        return values.gather(-1, index).squeeze(-1), self._mean(values.detach())

    def value(self, critic: TwinValues, features: Tensor) -> Tensor:
        """See `SoftPolicy`."""
        return self._mean(critic(features))

    def _mean(self, values: Tensor) -> Tensor:
        return (self._probs * values.amin(0)).sum(-1)


def _without_gradient(module: nn.Module, *inputs: Tensor) -> Tensor:
    """Call a module so that gradients pass through it and none is its own."""
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    outputs: Tensor = torch.func.functional_call(module, parameters, inputs)
    return outputs
