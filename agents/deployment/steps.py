"""One row after the other: what is remembered between two of them goes in and comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.agents.deployment.actor import Actor
from engram.agents.deployment.observations import Observation
from engram.common.actions import action_layout


class Remembered(NamedTuple):
    """What the next row needs of those before it.

    Attributes:
        carry: the agent's, `[B]`.
        prev_action: the policy's own last sample, `[B, ...]`.
    """

    carry: TensorDict
    prev_action: Tensor


class Steps:
    """Makes rows of an agent's observations, and actions of the environment of what it chooses.

    Args:
        agent: who acts.
    """

    def __init__(self, agent: Actor) -> None:
        self._agent = agent
        self._shape, self._dtype = action_layout(agent.action_space)

    def begin(self, batch_size: int, seed: int | None = None) -> Remembered:
        """Make what is remembered before the first row, `[B]`; `seed` is of the actions' noise."""
        prev_action = torch.zeros(batch_size, *self._shape, dtype=self._dtype, device=self._agent.device)
        return Remembered(self._agent.initial_carry(batch_size, seed), prev_action)

    def __call__(
        self,
        obs: Observation,
        reward: np.ndarray,
        is_first: np.ndarray,
        mask: Tensor | None,
        remembered: Remembered,
        deterministic: bool,
        donate: bool = True,
    ) -> tuple[np.ndarray, Remembered]:
        """Act on a row.

        Args:
            obs: as rows hold it, `[B, ...]`.
            reward: that came with it, float32 `[B]`.
            is_first: where an episode begins, bool `[B]`.
            mask: of allowed actions, bool `[B, n]`; None is all.
            remembered: of the row before.
            deterministic: take the most likely action.
            donate: `remembered` may be overwritten, which is faster for large memories.

        Returns:
            Actions that the environment takes, `[B, ...]`, and what is remembered now.
        """
        device, prev_action = self._agent.device, remembered.prev_action
        begins = torch.from_numpy(is_first).to(device)
        no_action = begins.reshape(-1, *(1 for _ in self._shape))
        row = {
            "obs": obs,
            "reward": torch.from_numpy(reward).to(device),
            "prev_action": torch.where(no_action, torch.zeros_like(prev_action), prev_action),
            "is_first": begins,
        }
        if mask is not None:
            row["action_mask"] = mask
        made = TensorDict(row, batch_size=[len(is_first)])
        action, carry, _ = self._agent.act(made, remembered.carry, deterministic, donate)
        return self._agent.to_env(action), Remembered(carry, action)
