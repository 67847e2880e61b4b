"""The weight of the policy's entropy, learnt so that the entropy comes near a target."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.networks.distributions import num_policy_outputs
from engram.agents.networks.q_network import usable
from engram.agents.returns import masked_mean
from engram.agents.sac.settings import SACSettings
from engram.common.ranks import ALONE, Ranks


class Temperature(nn.Module):
    """α of soft actor-critics.

    Args:
        action_space: Discrete or Box.
        settings: where it begins, whether it is learnt, its limit, and the entropy that is wanted.

    Source: Haarnoja et al., "Soft actor-critic algorithms and applications", 2018, eq. 18; a share of the greatest
    entropy for Discrete: Christodoulou, "Soft actor-critic for discrete action settings", 2019.
    """

    def __init__(self, action_space: spaces.Space, settings: SACSettings) -> None:
        super().__init__()
        log = torch.tensor(math.log(settings.initial_temperature))
        self.log = nn.Parameter(log, requires_grad=settings.learn_temperature)
        self._most = math.log(settings.max_temperature)
        self._num_options = num_policy_outputs(action_space)
        self._is_discrete = isinstance(action_space, spaces.Discrete)
        self._target, self._share = settings.target_entropy, settings.target_entropy_share

    def forward(self) -> Tensor:
        """Return α, `[]`, without a gradient."""
        return self.log.detach().exp()

    def target_entropy(self, mask: Tensor | None) -> Tensor | float:
        """Say which entropy is wanted.

        Args:
            mask: allowed actions `[*, n]`, for Discrete only; None is all.

        Returns:
            In nats, one for all rows or `[*]`.
        """
        if self._target is not None:
            return self._target
        if not self._is_discrete:
            return -float(self._num_options)
        if mask is None:
            return self._share * math.log(self._num_options)
        return self._share * usable(mask).sum(-1).log()

    def loss(self, entropy: Tensor, mask: Tensor | None, counts: Tensor, ranks: Ranks = ALONE) -> Tensor:
        """Make α grow where the policy's entropy is below its target, and shrink where it is above.

        Args:
            entropy: of the policy, `[*]`.
            mask: as of `target_entropy`.
            counts: rows that count, `[*]` bool.
            ranks: whose rows these are all together.
        """
        return self.log.exp() * masked_mean(entropy.detach() - self.target_entropy(mask), counts, ranks)

    @torch.no_grad()
    def limit(self) -> None:
        """Bring α back below its limit, in place."""
        self.log.clamp_(max=self._most)
