"""The one thing an agent sees of an environment: a batch of rows on one device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.box_actions import BoxAction
from engram.common.checked import Checked
from engram.common.state_form import Anything


class VectorEnv(Checked, ABC):
    """`num_envs` copies of an environment that restart by themselves, as rows of torch tensors.

    `engram.common.rows` says what a row holds, and what it holds where an episode ends and the next one begins.

    The arguments of a constructor are held against their annotations, in which ranges and choices stand
    (`engram.common.option_types`).

    Attributes:
        name: short name, also used as a folder, such as `popgym/repeat_previous_easy`.
        num_envs: number of environments B.
        single_observation_space: Gymnasium space of one environment.
        single_action_space: Gymnasium space of one environment.
        device: where every tensor of a row lives.
        resume_is_exact: False once a loaded state could not be reproduced.
        best_return: of an episode; None if it is not known.
        chance_return: mean return of uniformly random actions; None if it is not known.
        box_action: how a policy's Box actions are brought between the bounds, as in `engram.envs.BoxActions`.
        divides: whether processes may share a run of it: it takes an `env_index_offset`, and its state is that of
            each environment, one after the other (`engram.envs.divided`).
    """

    name: str
    num_envs: int
    single_observation_space: gymnasium.Space[Any]
    single_action_space: gymnasium.Space[Any]
    device: torch.device
    resume_is_exact: bool = True
    best_return: float | None = None
    chance_return: float | None = None
    box_action: BoxAction = "auto"
    divides: bool = False

    @abstractmethod
    def reset(self, seed: int) -> TensorDict:
        """Begin episode 0 everywhere; the same seed gives the same episodes at any `num_envs`.

        Args:
            seed: in [0, 2**63).

        Returns:
            The first row, batch size [num_envs].
        """

    @abstractmethod
    def step(self, action: Tensor) -> TensorDict:
        """Act once everywhere; environments whose last row was `is_last` begin their next episode instead.

        Args:
            action: [num_envs, ...], the policy's own sample.

        Returns:
            The next row, batch size [num_envs]. Its tensors are fresh: nothing writes to them later.

        Raises:
            ValueError: if an action that counts is outside of the space, or NaN. Where a device would have to be
                waited for to know, it is clamped instead.
        """

    def report(self) -> Mapping[str, Tensor]:
        """What the environment reports of the episodes that end at the row it stands at, besides return and length.

        Returns:
            By name a float tensor [B] that counts where `is_last`; NaN where an episode has no such number.
        """
        return {}

    def step_sampled(self, action: Tensor) -> TensorDict:
        """`step` for whoever holds all actions of a rollout against the space at once, as the `Driver` does."""
        return self.step(action)

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to continue: nested, string keys, leaves are tensors or JSON values."""

    def state_form(self) -> Any:
        """What a stored state must look like to be loaded here (`engram.common.state_form`); by default anything."""
        return Anything()

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> TensorDict:
        """Continue from a state of an environment built with the same arguments; return the pending row."""

    def render(self, index: int) -> np.ndarray:
        """Return a picture of environment `index`, uint8 [height, width, 3].

        Raises:
            ValueError: if the environment has no pictures.
        """
        raise ValueError(f"Videos need an environment that draws pictures; {self.name} has none.")

    def close(self) -> None:
        """Release processes and windows; the environment cannot be used afterwards."""


def check_seed(seed: int) -> int:
    """Return the seed as an int; ValueError if it is not an integer in [0, 2**63)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ValueError(f"A seed must be an integer in [0, 2**63), but it is {seed!r}: pass another seed.")
    return int(seed)


def check_state(state: dict[str, Any], **expected: Any) -> None:
    """ValueError if a stored state was made by an environment with other arguments.

    Args:
        state: as given by `state_dict`.
        **expected: entries that must be in the state with these values.
    """
    for key, value in expected.items():
        if state.get(key) != value:
            raise ValueError(
                f"A stored environment state must be loaded into an environment built alike: {key} should be "
                f"{value!r}, but the state has {state.get(key)!r}; build the environment with it."
            )
