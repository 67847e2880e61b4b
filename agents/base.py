"""The agent contract: act on rows with an explicit carry, learn from what was collected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.common.box_actions import ActionConverter, BoxAction
from engram.common.checked import Checked
from engram.common.state_form import Anything


class Agent(Checked, ABC):
    """A policy with memory that learns.

    The options of a constructor are held against their annotations; what it takes as `**settings:
    Annotated[Any, Settings]` are the fields of that class (`engram.common.checked.settings`).

    Attributes:
        observation_space: single Gymnasium space of the observations.
        action_space: single Gymnasium space of the actions.
        rollout_length: rows per environment between two updates.
        carry_every: the driver keeps the carry before every k-th row of a rollout.
        box_action: how its environment brings Box actions between the bounds, as in `engram.envs.BoxActions`.
    """

    observation_space: spaces.Space
    action_space: spaces.Space
    rollout_length: int
    carry_every: int
    box_action: BoxAction = "auto"

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the parameters live."""

    @abstractmethod
    def initial_carry(self, batch_size: int, seed: int | None = None, first_index: int = 0) -> TensorDict:
        """Make the carry to start acting with.

        Args:
            batch_size: number of environments B.
            seed: of the action noise. Default: the agent's own.
            first_index: global index of the first environment, when several processes share a seed.

        Returns:
            TensorDict `[B]`.
        """

    def check_num_envs(self, num_envs: int) -> None:
        """Refuse a number of environments that the agent cannot learn from, before a run begins.

        Raises:
            ValueError: says what would work.
        """

    @abstractmethod
    def act(
        self, row: TensorDictBase, carry: TensorDictBase, deterministic: bool = False, donate: bool = False
    ) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions for one row per environment.

        Args:
            row: `[B]` with `obs, reward, prev_action, is_first` and `action_mask` where there is one.
            carry: from `initial_carry` or the previous call, `[B]`.
            deterministic: take the most likely action instead of sampling.
            donate: allow the call to overwrite `carry`, which is faster for large memories.

        Returns:
            The action `[B, …]` in the policy's own units (`to_env` converts it), the next carry `[B]`, and extras `[B]`
            to be stored with the row.
        """

    def to_env(self, action: Tensor) -> np.ndarray:
        """Turn actions of `act` into what a Gymnasium environment takes, as in the environments it learnt in.

        Example::

            action, carry, _ = agent.act(row, carry, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(agent.to_env(action)[0])

        Args:
            action: `[B, …]`, the agent's own.

        Returns:
            `[B, …]` in the dtype of the action space: discrete ones counted from its `start`, Box ones within its
            bounds.
        """
        return ActionConverter(self.action_space, self.box_action)(action.detach().cpu().numpy())

    @abstractmethod
    def update(self, experience: Any, env_steps: int) -> dict[str, float]:
        """Learn from a `Rollout`, or from an `engram.agents.replay.Batch` if the agent is a `ReplayAgent`.

        Args:
            experience: collected by this agent's `act`.
            env_steps: real transitions before this iteration, for the schedules: the first update has a schedule's
                first value, and the last one not yet that of its end.

        Returns:
            Metrics by name: one without a slash is logged under `losses/`, one with a slash (`optim/learning_rate`) as
            it is.

        Raises:
            FloatingPointError: if a loss is NaN or infinite; names the first tensor that went bad.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that learning has changed: nested dicts of tensors and JSON values."""

    def state_form(self) -> Any:
        """What a stored state must look like to be loaded here (`engram.common.state_form`); by default anything."""
        return Anything()

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
