"""Observations and actions behind random linear maps, as popjaxrl's meta environments have them."""

from __future__ import annotations

import math
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.checked import require
from engram.common.random import hash_integers, hash_prefix, purpose
from engram.common.spaces import NUMERIC, options_of, row_dtype
from engram.envs.native import NativeVectorEnv
from engram.envs.wrappers.native_wrapper import NativeWrapper
from engram.envs.wrappers.projection import Projection, orthogonal

_OBSERVATION, _ACTION, _ORDER = (
    purpose(f"projection of {name}") for name in ("observations", "actions", "choices")
)
_WHERE = "env.projection."
_LAST = 1 << 32
"""More than any draw."""


class Projected(NativeWrapper):
    """Shows a task through a random linear map, and takes its actions through another.

    The maps are drawn anew for every episode, and stay as they are within a trial (`Trials` around this). Choices are
    projected as their one-hot numbers. The matrix is orthogonal, times the root of 2; that of actions has
    orthonormal rows or columns, and what comes of it is brought between the bounds as `env.action` says. `prev_action`
    is the policy's own.

    Source: Lu et al. 2023, section 5, and popjaxrl.

    Args:
        inner: the task; its observation is no image, and no Dict.
        projection: what is projected, to how many numbers.
    """

    def __init__(self, inner: NativeVectorEnv, projection: Projection) -> None:
        super().__init__(inner)
        self.projection = projection
        if projection.observation is not None:
            self._inputs, self._offsets = _inputs(inner.single_observation_space)
            self._offsets = self._offsets.to(self.device)
            self.single_observation_space = gs.Box(-np.inf, np.inf, (projection.observation,), np.float32)
        self._choices: Tensor | None = None  # of the parts of an action
        if projection.action is not None:
            self._project_actions(inner.single_action_space, projection.action)

    def _project_actions(self, space: gs.Space[Any], action: int | str) -> None:
        """Set what actions become, where they are projected."""
        if (options := options_of(space)) is not None:
            rule = f"permuted for the action space {space}"
            require(action == "permuted", "action", rule, action, "projection", _WHERE)
            self._choices, self._most_choices = torch.tensor(options, device=self.device), max(options)
            return
        rule = f"a whole number for the action space {space}"
        require(isinstance(action, int), "action", rule, action, "projection", _WHERE)
        assert isinstance(action, int) and isinstance(space, gs.Box)
        self._acted_shape = space.shape
        self.single_action_space, self._to_env = gs.Box(-1.0, 1.0, (action,), np.float32), None

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        own: dict[str, Tensor] = {}
        keys, projection = (env_index, episode), self.projection
        if projection.observation is not None:
            key = hash_prefix(seed, _OBSERVATION, *keys)
            own["observing"] = orthogonal(key, self._inputs, projection.observation, math.sqrt(2.0))
        if self._choices is not None:
            own["order"] = self._orders(hash_prefix(seed, _ORDER, *keys))
        elif projection.action is not None:
            assert isinstance(projection.action, int)
            size = math.prod(self._acted_shape)
            own["acting"] = orthogonal(hash_prefix(seed, _ACTION, *keys), projection.action, size, 1.0)
        return self.with_inner(own, self.inner.begin(seed, env_index, episode))

    def _orders(self, key: Tensor) -> Tensor:
        """Draw a random order of each part's choices, int64 [B, parts, most choices]; what is beyond is last."""
        assert self._choices is not None
        part = torch.arange(self._choices.shape[0], device=key.device).unsqueeze(1)
        choice = torch.arange(self._most_choices, device=key.device)
        drawn = hash_integers(part, choice, prefix=key[:, None, None])
        return torch.where(choice < self._choices.unsqueeze(1), drawn, _LAST).argsort(dim=2, stable=True)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        return super().advance(task, time, self._to_inner(task, action))

    def _to_inner(self, task: dict[str, Tensor], action: Tensor) -> Tensor:
        """The task's own action [B, ...] of a policy's."""
        if "order" in task:
            parts = action.reshape(action.shape[0], -1, 1)
            return task["order"].gather(2, parts).view(action.shape)
        if "acting" in task:
            mapped = (action.unsqueeze(2) * task["acting"]).sum(1).view(-1, *self._acted_shape)
            return mapped if self.inner._to_env is None else self.inner._to_env(mapped)
        return action

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor | TensorDict:  # noqa: D102
        seen = super().observe(task, time)
        if "observing" not in task:
            return seen
        assert isinstance(seen, Tensor)
        flat = seen.reshape(seen.shape[0], -1)
        if self._offsets.shape[0]:  # one-hot numbers times a matrix are the matrix' rows
            chosen = (flat + self._offsets).unsqueeze(2).expand(-1, -1, task["observing"].shape[2])
            return task["observing"].gather(1, chosen).sum(1)
        return (flat.unsqueeze(2) * task["observing"]).sum(1)


def _inputs(space: gs.Space[Any]) -> tuple[int, Tensor]:
    """How many numbers an observation has; and of choices, at which of them each part's one-hot ones begin."""
    is_vector = isinstance(space, NUMERIC) and row_dtype(space) is not torch.uint8
    rule = "null where the task shows a Dict or an image"
    require(is_vector, "observation", rule, space, "projection", _WHERE)
    options = options_of(space)
    if options is None:
        return math.prod(space.shape or ()), torch.zeros(0, dtype=torch.int64)
    ends = torch.tensor(options).cumsum(0)
    return sum(options), torch.cat([torch.zeros(1, dtype=torch.int64), ends[:-1]])
