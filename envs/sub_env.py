"""One Gymnasium environment inside a vector: seeds every episode, replays one, keeps infos to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from engram.common.random import hash_to_int
from engram.envs.action_masks import KEY, MaskReader
from engram.envs.reports import KEY as REPORT
from engram.envs.reports import report_of
from engram.envs.resets import Resets
from engram.envs.step_checks import StepCheck

_AT_A_TIME = 1024


class SubEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Resets every episode with a seed of (run seed, environment index, episode number).

    The vector environment resets a sub-environment when it likes and without a seed; here that begins the
    next episode of the run. What it returns is held against Gymnasium's contract. Of the infos only the action
    mask goes on, wherever it came from (`MaskReader`), and from an episode's last row what it reports (`report_of`):
    others may hold the answer.

    Args:
        env: the environment.
        env_index: its index in the run.
        resets: how it is reset.

    Attributes:
        to_repeat: what the next reset and step repeat, [n, ...]: the actions since the episode's reset; None: nothing.
        replay_failed: whether the episode ended while it was repeated, as it had not.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], env_index: int, resets: Resets) -> None:
        super().__init__(env)
        self._step = env.step
        self._env_index = env_index
        self._check = StepCheck(env)
        self._read_mask = MaskReader(env)
        self._takes_array = isinstance(env.action_space, gymnasium.spaces.Box)
        self._reset = resets.of(env)
        self._seed = 0
        self._episode = -1
        self.replay_failed = False
        self.to_repeat: np.ndarray | None = None
        self._held: tuple[Any, dict[str, Any]] | None = None

    def begin(self, seed: int) -> None:
        """Make the next reset begin episode 0 of a run."""
        self._seed, self._episode = seed, -1
        self.to_repeat = self._held = None

    def restore(self, seed: int, episodes: list[int], position: int) -> None:
        """Make the next reset and step lead to where an episode was, once `to_repeat` has its actions.

        The reset repeats all actions but the last, and the step, which must be given the last one, makes it;
        so the vector environment sees the episode's true flags. Where no action was made the step does
        nothing.

        Args:
            seed: of the run.
            episodes: episode number of every environment.
            position: index in the run of the first environment in the list.
        """
        self._seed, self._episode = seed, episodes[self._env_index - position] - 1

    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        self._episode += 1
        episode_seed = hash_to_int(self._seed, "episode", self._env_index, self._episode)
        obs, info = self._check.reset(self._reset(episode_seed))
        info = self._keep(obs, info)
        if self.to_repeat is not None:
            self._repeat(self.to_repeat, obs, info)
            self.to_repeat = None
        return obs, info

    def _repeat(self, actions: np.ndarray, obs: Any, info: dict[str, Any]) -> None:
        """Repeat all actions but the last after a reset that gave `obs` and `info`."""
        self.replay_failed = False
        if len(actions) == 0:
            self._held = obs, info
        for action in self._as_given(actions[:-1]):
            obs, _, terminated, truncated, info = self._check.step(self._step(self._given(action)))
            if terminated or truncated:  # not the same episode, and it cannot be stepped further
                self.replay_failed, self._held = True, (obs, self._keep(obs, info))
                return

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:  # noqa: D102
        if self._held is not None:
            (obs, info), self._held = self._held, None
            return obs, 0.0, False, False, info
        obs, reward, terminated, truncated, info = self._check.step(self._step(self._given(action)))
        is_over = terminated or truncated
        # Where an episode has ended nothing need be allowed, and a game that is over may not even be asked.
        is_asked = self._read_mask.is_needed and (KEY in info or not is_over)
        kept = self._keep(obs, info) if is_asked else {}
        if is_over and (report := report_of(info)):
            kept[REPORT] = report
        return obs, reward, terminated, truncated, kept

    def _as_given(self, actions: np.ndarray) -> Iterator[Any]:
        """Stored actions one by one in the numbers of the space, some at a time, because they may be millions."""
        for begin in range(0, len(actions), _AT_A_TIME):
            yield from actions[begin : begin + _AT_A_TIME].astype(self.env.action_space.dtype)

    def _given(self, action: Any) -> Any:
        """The action as the space has it: of a Box without axes a vector hands out numbers, not arrays."""
        return np.asarray(action) if self._takes_array else action

    def picture(self, index: int) -> np.ndarray | None:
        """Return the rendered frame if this is environment `index` of the run, else None."""
        return self.env.render() if index == self._env_index else None  # type: ignore[return-value]

    def _keep(self, obs: Any, info: dict[str, Any]) -> dict[str, Any]:
        """Return only the action mask, if there is one."""
        mask = self._read_mask(obs, info)
        return {} if mask is None else {KEY: mask}
