"""Environments written in torch: the whole batch steps at once, on any device, as a pure function."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.actions import ActionCheck, action_layout
from engram.common.metric_names import metric_name
from engram.common.option_types import Count, Index
from engram.common.rows import make_row, select
from engram.common.state_form import StateError
from engram.common.vector_env import VectorEnv, check_seed, check_state
from engram.envs.beginnings import restarted
from engram.envs.hidden import Hidden


class NativeVectorEnv(VectorEnv):
    """A VectorEnv around the pure `step_fn(state, action) -> state, row`.

    The state is a TensorDict [B] with `seed, env_index, episode, time` (actions so far in the episode)
    int64, `is_last` bool, and the task's own tensors under `task`. On a device no step branches on a value of
    a tensor or reads one on the host, and none loops over environments, so that a whole rollout can be
    compiled or captured.
    What is random is a hash of (seed, purpose, env_index, episode, time): the same episodes at any batch
    size, on any device.

    A task sets `name`, the two spaces and `max_episode_steps`, the actions of its longest episode (infinite: there is
    no longest one), and implements `begin`, `advance` and `observe` without changing `self`. One with Box actions also
    sets `_to_env` to a `BoxActions.on(device)`, so that `advance` gets actions within the bounds whatever the policy's
    units; the row keeps the policy's own.

    An action outside of the space is refused in host memory. On a device, and in a compiled or captured rollout,
    it is clamped instead: to the nearest in the space, NaN to 0.

    Args:
        num_envs: number of environments B.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    max_episode_steps: float
    divides = True

    def __init__(
        self, num_envs: Count, device: torch.device | str = "cpu", env_index_offset: Index = 0
    ) -> None:
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.env_index_offset = env_index_offset
        self.state: TensorDict | None = None
        self._row: TensorDict | None = None
        self._to_env: Callable[[Tensor], Tensor] | None = None

    @functools.cached_property
    def action_check(self) -> ActionCheck:
        """What holds actions against the action space."""
        return ActionCheck(self.single_action_space, self.device)

    @abstractmethod
    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:
        """Return the task's tensors [B, ...] at the start of these episodes; all arguments int64 [B]."""

    def begin_within(
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        """Return the task's tensors [B, ...] where an episode of a trial begins (`engram.envs.wrappers`).

        A task overrides this that says what stays as it is within a trial; the rest is then drawn anew in each of its
        episodes. By default nothing is: all of them begin as the first one.

        Args:
            seed: int64 [B].
            env_index: int64 [B].
            trial: int64 [B]; its episode 0 is what `begin` makes of it.
            number: of the episode in its trial, int64 [B], from 0.
        """
        return self.begin(seed, env_index, trial)

    def next_within(self, task: dict[str, Tensor], where: Tensor, *keys: Tensor) -> dict[str, Tensor]:
        """Begin the next episode of a trial where asked, bool [B], by the keys of `begin_within`."""
        return restarted(task, where, self.begin_within, *keys)

    def best_of_trial(self, trials: int) -> float | None:
        """Return the best mean return of a trial of so many episodes; None if it is not known."""
        return None if self.best_return is None else trials * self.best_return

    @abstractmethod
    def advance(
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Apply action number `time` (int64 [B], from 0).

        Returns:
            The task's new tensors, reward [B] float32, terminated [B] bool, truncated [B] bool.
        """

    @abstractmethod
    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor | TensorDict:
        """Return what is seen after `time` actions, [B, ...]."""

    def infos(self, task: dict[str, Tensor], is_first: bool) -> dict[str, Tensor]:
        """Return what the task this one copies tells besides, for Gymnasium's infos: it may hold the answer.

        Args:
            task: the task's tensors [B, ...].
            is_first: whether these are rows that begin an episode, or none of them is.

        Returns:
            Tensors [B, ...] by their names in the original.
        """
        return {}

    def outcome(self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor) -> dict[str, Tensor]:
        """Return what there is to say of an episode that ends here, such as `success`; by default nothing.

        It is asked for on every row, and counts where an episode ends, or is cut by an evaluation's limit.

        Args:
            task: the task's tensors [B, ...].
            reward: of the row, float32 [B].
            is_terminal: of the row, bool [B].

        Returns:
            Tensors [B] by name, bool or numbers. Their means over episodes are logged under these names, that of
            `success` as `success_rate`.
        """
        return {}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return what the task knows and one observation does not show, for probes of memories; by default nothing.

        Args:
            task: the task's tensors [B, ...].
            time: actions so far in the episode, int64 [B].

        Returns:
            By name, the same names on every row.
        """
        return {}

    def hidden(self) -> dict[str, Hidden]:
        """Return what the task hides at the last row, by name; see `conceals`."""
        assert self.state is not None, "reset comes before hidden"
        return self.conceals(dict(self.state["task"].items()), self.state["time"])

    def report(self) -> dict[str, Tensor]:  # noqa: D102
        if type(self).outcome is NativeVectorEnv.outcome:
            return {}
        assert self.state is not None and self._row is not None, "reset comes before report"
        found = self.outcome(dict(self.state["task"].items()), self._row["reward"], self._row["is_terminal"])
        return {metric_name(name): value.to(torch.float32) for name, value in found.items()}

    def reset_fn(self, seed: int) -> tuple[TensorDict, TensorDict]:
        """Return the state and the row of episode 0."""
        count = torch.arange(self.num_envs, device=self.device)
        # A state that has just ended episode -1: stepping it begins episode 0 by the one rule there is.
        env_index, ended = count + self.env_index_offset, torch.full_like(count, -1)
        seeds = torch.full_like(count, seed)
        before = {
            "seed": seeds,
            "env_index": env_index,
            "episode": ended,
            "time": torch.zeros_like(count),
            "is_last": torch.ones_like(count, dtype=torch.bool),
            "task": self.begin(seeds, env_index, ended),
        }
        shape, dtype = action_layout(self.single_action_space)
        action = torch.zeros(self.num_envs, *shape, dtype=dtype, device=self.device)
        return self.step_fn(TensorDict(before, batch_size=[self.num_envs]), action)

    def step_fn(
        self, state: TensorDict, action: Tensor, in_space: bool = False
    ) -> tuple[TensorDict, TensorDict]:
        """Advance every environment by one row, without side effects.

        Args:
            state: [B], as returned by this function; not modified.
            action: [B, ...].
            in_space: the action is a member of `single_action_space`, as other libraries give it, and not a
                policy's sample: a Box action is neither clipped nor rescaled.

        Returns:
            The new state [B] and the row [B].

        Raises:
            ValueError: if an action is outside of the space, in host memory only.
        """
        return self._step_fn(state, self.action_check(action, state["is_last"], in_space), in_space)

    def _step_fn(
        self, state: TensorDict, action: Tensor, in_space: bool = False
    ) -> tuple[TensorDict, TensorDict]:
        """`step_fn` with actions that are known to be in the space."""
        is_first, seed, env_index = state["is_last"], state["seed"], state["env_index"]
        episode = state["episode"] + is_first
        task = dict(state["task"].items())
        given = action if self._to_env is None or in_space else self._to_env(action)
        moved, reward, terminated, truncated = self.advance(task, state["time"], given)
        task = restarted(moved, is_first, self.begin, seed, env_index, episode)
        time = torch.where(is_first, 0, state["time"] + 1)
        is_terminal = terminated & ~is_first
        is_last = (terminated | truncated) & ~is_first
        row = make_row(
            obs=self.observe(task, time),
            reward=reward.masked_fill(is_first, 0.0),
            prev_action=select(is_first, torch.zeros_like(action), action),
            is_first=is_first,
            is_last=is_last,
            is_terminal=is_terminal,
        )
        after = {
            "seed": seed,
            "env_index": env_index,
            "episode": episode,
            "time": time,
            "is_last": is_last,
            "task": task,
        }
        return TensorDict(after, batch_size=state.batch_size), row

    def reset(self, seed: int) -> TensorDict:  # noqa: D102
        self.state, self._row = self.reset_fn(check_seed(seed))
        return self._row

    def step(self, action: Tensor, in_space: bool = False) -> TensorDict:  # noqa: D102 (in_space: see step_fn)
        assert self.state is not None, "reset comes before step"
        self.state, self._row = self.step_fn(self.state, action, in_space)
        return self._row

    def step_sampled(self, action: Tensor) -> TensorDict:  # noqa: D102
        if self.device.type != "cpu":
            return self.step(action)  # which clamps, and waits for nothing
        assert self.state is not None, "reset comes before step"
        self.action_check.check_kind(action, self.num_envs)
        try:
            self.state, self._row = self._step_fn(self.state, action)
        except (IndexError, RuntimeError):
            valid = self.action_check(action, self.state["is_last"])  # says so, if an action is why
            if valid is action:
                raise
            self.state, self._row = self._step_fn(self.state, valid)
        return self._row

    def pending_row(self) -> TensorDict:
        """Return the last row, [B]."""
        assert self._row is not None, "reset comes before rows"
        return self._row

    def set_state(self, state: TensorDict, row: TensorDict) -> None:
        """Go on from a state and the row that `step_fn` returned with it, as if `step` had led there."""
        self.state, self._row = state, row

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        assert self.state is not None and self._row is not None, "reset comes before state_dict"
        return {
            "name": self.name,
            "num_envs": self.num_envs,
            "state": self.state.clone().to_dict(),
            "row": self._row.clone().to_dict(),
        }

    def state_form(self) -> dict[str, Any]:  # noqa: D102
        state, row = self.reset_fn(0)
        return {
            "name": self.name,
            "num_envs": self.num_envs,
            "state": state.to_dict(),
            "row": row.to_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> TensorDict:  # noqa: D102
        check_state(state, name=self.name, num_envs=self.num_envs)
        self.state, self._row = (
            TensorDict(state[key], batch_size=[self.num_envs]).to(self.device).clone()
            for key in ("state", "row")
        )
        self._check_going_on(self.state)
        return self._row

    def _check_going_on(self, state: TensorDict) -> None:
        """Refuse a state that has no next one, such as a place outside of the board, by making a step.

        A device would have to be waited for, and could not be used any more afterwards.
        """
        if self.device.type != "cpu":
            return
        shape, dtype = action_layout(self.single_action_space)
        try:
            self.step_fn(state, torch.zeros(self.num_envs, *shape, dtype=dtype))
        except (IndexError, RuntimeError) as error:
            raise StateError(f"driver/env/state: the task cannot go on from it ({error})") from error
