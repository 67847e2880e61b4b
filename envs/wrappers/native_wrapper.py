"""What native environments around another one share."""

from __future__ import annotations

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_INNER = "inner_"
"""Before the names of the inner task's tensors, among those of the task around it."""


class NativeWrapper(NativeVectorEnv):
    """A native environment that is played by the rules of another one, with something changed.

    What it does not change is that of the inner one; its tensors lie beside the wrapper's own.

    Args:
        inner: the environment within; it is never stepped itself.
    """

    def __init__(self, inner: NativeVectorEnv) -> None:
        super().__init__(inner.num_envs, inner.device, inner.env_index_offset)
        self.inner = inner
        self.name = inner.name
        self.max_episode_steps = inner.max_episode_steps
        self.single_observation_space = inner.single_observation_space
        self.single_action_space = inner.single_action_space
        self.best_return, self.chance_return = inner.best_return, inner.chance_return
        self.box_action, self._to_env = inner.box_action, inner._to_env

    def inner_task(self, task: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inner task's tensors by their own names."""
        return {key[len(_INNER) :]: value for key, value in task.items() if key.startswith(_INNER)}

    def with_inner(self, own: dict[str, Tensor], inner: dict[str, Tensor]) -> dict[str, Tensor]:
        """Put the wrapper's own tensors and the inner task's together."""
        return {**own, **{f"{_INNER}{key}": value for key, value in inner.items()}}

    def own_tensors(self, task: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what is not the inner task's."""
        return {key: value for key, value in task.items() if not key.startswith(_INNER)}

    def inner_time(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """Return how many actions the inner episode has had, int64 [B]."""
        return time

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.with_inner({}, self.inner.begin(seed, env_index, episode))

    def next_within(self, task: dict[str, Tensor], where: Tensor, *keys: Tensor) -> dict[str, Tensor]:  # noqa: D102
        own = self.own_tensors(task)
        return self.with_inner(own, self.inner.next_within(self.inner_task(task), where, *keys))

    def best_of_trial(self, trials: int) -> float | None:  # noqa: D102
        return self.inner.best_of_trial(trials)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        moved, *outcome = self.inner.advance(self.inner_task(task), time, action)
        reward, terminated, truncated = outcome
        return self.with_inner(self.own_tensors(task), moved), reward, terminated, truncated

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor | TensorDict:  # noqa: D102
        return self.inner.observe(self.inner_task(task), self.inner_time(task, time))

    def infos(self, task: dict[str, Tensor], is_first: bool) -> dict[str, Tensor]:  # noqa: D102
        return self.inner.infos(self.inner_task(task), is_first)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return self.inner.outcome(self.inner_task(task), reward, is_terminal)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        return self.inner.conceals(self.inner_task(task), self.inner_time(task, time))

    def render(self, index: int) -> np.ndarray:
        """Draw environment `index` as the inner one does.

        Raises:
            ValueError: if that has no pictures, or nothing has begun.
        """
        if self.state is not None and self._row is not None:
            task, time = dict(self.state["task"].items()), self.state["time"]
            own, elapsed = self.inner_task(task), self.inner_time(task, time)
            state = self.state.exclude("task").set("time", elapsed)
            state.set("task", TensorDict(own, batch_size=state.batch_size))
            is_first = torch.zeros_like(elapsed, dtype=torch.bool) | (elapsed == 0)
            row = self._row.exclude("obs").set("is_first", is_first)
            self.inner.set_state(state, row.set("obs", self.inner.observe(own, elapsed)))
        return self.inner.render(index)
