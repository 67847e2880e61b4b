"""Acting at random while a replay is being filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.networks.distributions import make_distribution, num_policy_outputs
from engram.common.streams import environment_keys, stream_key, stream_uniform

# What is not allowed has a far smaller logarithm of its probability than anything that is.
_NOT_ALLOWED = -1e4


class RandomActions:
    """Draws every allowed action alike (for Box, from a standard normal or [-1, 1]), and keeps the carry up to date.

    The draw for a row depends on the seed, the environment and the row's number alone.

    Args:
        act: the agent's, for the carry and the extras.
        action_space: Discrete, MultiDiscrete or Box.
        seed: of the draws.
        in_bounds: draw Box actions from [-1, 1], alike.
        repeat: chance of every row to keep the action before, within an episode and where it is allowed: what walks
            gets farther so than what turns at every row.
    """

    def __init__(
        self,
        act: Callable[..., Any],
        action_space: spaces.Space,
        seed: int,
        in_bounds: bool = False,
        repeat: float = 0.0,
    ) -> None:
        self._act, self._space, self._key = act, action_space, stream_key(seed, "random actions")
        self._in_bounds = in_bounds and isinstance(action_space, spaces.Box)
        self._num_uniforms, self._repeat = num_policy_outputs(action_space), repeat

    def act_from(self, num_rows: int, rank: int = 0) -> Callable[..., tuple[Tensor, TensorDict, TensorDict]]:
        """Make a policy for the rows of every environment from number `num_rows` on, for the rank's part of these."""
        counter = num_rows

        def act(row: TensorDictBase, carry: TensorDictBase) -> tuple[Tensor, TensorDict, TensorDict]:
            nonlocal counter
            _, carry, extras = self._act(row, carry)
            action = self._draw(row, counter, rank)
            counter += 1
            return action, carry, extras

        return act

    def _draw(self, row: TensorDictBase, number: int, rank: int) -> Tensor:
        (num_envs,), device = row.batch_size, row["is_first"].device
        keys = environment_keys(self._key, num_envs, rank * num_envs, device)
        # The first numbers of a draw are the same however many there are.
        noise = stream_uniform(keys, torch.full_like(keys, number), self._num_uniforms + 1)
        noise, keeps = noise[:, :-1], noise[:, -1] < self._repeat
        zeros = torch.zeros(num_envs, self._num_uniforms, device=device)
        mask = row["action_mask"] if "action_mask" in row else None
        choices = make_distribution(self._space, zeros, zeros[0], mask)
        if self._in_bounds:
            action = (2 * noise - 1).reshape(num_envs, *self._space.shape)  # type: ignore[misc]
        else:
            action = choices.sample(noise)
        if not self._repeat:
            return action
        before = row["prev_action"]
        keeps &= ~row["is_first"]
        if mask is not None:
            keeps &= choices.log_prob(before) > _NOT_ALLOWED
        return torch.where(keeps.view(-1, *(1,) * (action.dim() - 1)), before, action)
