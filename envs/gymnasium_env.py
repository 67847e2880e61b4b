"""Any Gymnasium environment as rows."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import create_empty_array
from tensordict import TensorDict
from torch import Tensor

from engram.common.box_actions import BoxAction
from engram.common.option_types import Count, Index, Positive
from engram.common.state_form import Whole
from engram.common.vector_env import check_seed, check_state
from engram.envs.async_envs import AsyncEnvs, make_async
from engram.envs.episode_log import EpisodeLog
from engram.envs.gymnasium_rows import GymnasiumRows
from engram.envs.hashed_text import Text
from engram.envs.long_episode import LongEpisode
from engram.envs.make import Around, make_sub_env, wrap_given_env
from engram.envs.resets import Resets
from engram.envs.stored_rows import check_actions, equal_rows, row_form
from engram.envs.worker_pipe import WORKER_TIMEOUT
from engram.envs.worker_signals import make_in_worker

# Named, because some libraries change the default when they are imported. A forked worker starts at once and
# knows every environment registered so far; `engram.envs.forking` sees to torch's threads.
_START_METHOD = "fork" if sys.platform == "linux" else None


class GymnasiumEnv(GymnasiumRows):
    """Copies of a Gymnasium environment.

    Every episode is reset with a seed of (run seed, environment index, episode number), so environment i
    plays the same episodes at any `num_envs`. The state is these numbers and the actions since each
    episode's reset; loading it resets and repeats them (`max_episode_steps` bounds how many). An environment that
    then shows another row is not reproducible: it is named in a warning, `resume_is_exact` becomes False, and its
    episode begins anew.

    Actions that are MultiBinary, whole-numbered Boxes, tables of choices, or Dicts and Tuples of choices and numbers
    are made flat (`engram.envs.FlatActions`), and `single_action_space` is what agents then act in.

    Args:
        id: registered id; `package:id` imports the package first, such as `popgym:popgym-AutoencodeEasy-v0`.
        num_envs: number of environments B.
        kwargs: options of the environment.
        vectorization: `sync` steps them in this process, the fastest unless one step takes over half a
            millisecond; `async` gives each its own process.
        start_method: how such processes start: `fork` (the default on Linux), or `spawn` or `forkserver` for
            environments that do not live on in a fork, such as those that draw with OpenGL; these know registered
            ids of packages only.
        worker_timeout: seconds until a process that does not answer counts as hanging; None waits for ever. A resume
            that repeats n actions waits n times as long.
        action: for Box actions: `rescale` maps a policy's [-1, 1] to the bounds, `clip` cuts its numbers to them,
            and `auto` rescales each number whose bounds are both finite and clips the others, as
            `engram.envs.BoxActions` does.
        max_episode_steps: truncate episodes after so many actions; None keeps the registered limit.
        render_mode: `rgb_array` for videos.
        guard_global_random: for environments that draw from the process' `random` or `numpy.random` when
            reset: seed these for the reset and put them back afterwards.
        wrappers: around each environment, the first innermost: names of `gymnasium.wrappers`, or `package.module.Name`
            of others; one with options as `{Name: {option: value}}`.
        text: `drop` leaves texts out of observations, `hash` makes numbers of their words (`engram.envs.hashed_text`).
        text_size: how many, of each text.
        reset_options: what each of its resets gets as `options`, such as the reset parameters of `memory_gym`.
        name: as in `VectorEnv`; `gymnasium/<id>` by default.
        make: makes environment number i, in the place of the id, which then only names it; it takes no `kwargs`.
        device: of the rows.
        env_index_offset: index of the first environment, where several processes share one run.

    Raises:
        ValueError: if the id, a package, an option or a space will not do.
    """

    divides = True

    def __init__(
        self,
        id: str,
        num_envs: Count,
        kwargs: dict[str, Any] | None = None,
        vectorization: Literal["sync", "async"] = "sync",
        start_method: Literal["fork", "spawn", "forkserver"] | None = None,
        worker_timeout: Positive | None = WORKER_TIMEOUT,
        action: BoxAction = "auto",
        max_episode_steps: Count | None = None,
        render_mode: str | None = None,
        guard_global_random: bool = False,
        wrappers: Sequence[Any] = (),
        text: Text = "drop",
        text_size: Count = 64,
        reset_options: dict[str, Any] | None = None,
        name: str | None = None,
        make: Callable[[int], gymnasium.Env[Any, Any]] | None = None,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        name = name or f"gymnasium/{id.rpartition(':')[2]}"
        options, around = dict(kwargs or {}), Around(tuple(wrappers), text, text_size)
        in_reset = Resets(dict(reset_options or {}), guard_global_random)
        make_one = (
            partial(make_sub_env, id, options, max_episode_steps, render_mode, in_reset, around)
            if make is None
            else partial(wrap_given_env, make, options, max_episode_steps, in_reset, around)
        )
        thunks = [
            partial(make_in_worker, os.getpid(), partial(make_one, env_index=env_index_offset + index))
            for index in range(num_envs)
        ]
        # copy=False: the observation converter copies.
        of_vector: dict[str, Any] = {"copy": False, "autoreset_mode": AutoresetMode.NEXT_STEP}
        vector: SyncVectorEnv[Any, Any] | AsyncEnvs = (
            SyncVectorEnv(thunks, **of_vector)
            if vectorization == "sync"
            else make_async(
                thunks,
                context=start_method or _START_METHOD,
                worker_timeout=worker_timeout,
                first_index=env_index_offset,
                **of_vector,
            )
        )
        super().__init__(vector, name, action, device, env_index_offset)
        self._vector: SyncVectorEnv[Any, Any] | AsyncEnvs
        self.id = id
        self.render_mode = render_mode if make is None else vector.get_attr("render_mode")[0]
        self._seed = 0
        self._log = EpisodeLog(num_envs, self.single_action_space)
        self._long_episode = LongEpisode(self.name)

    def reset(self, seed: int) -> TensorDict:  # noqa: D102
        self._seed = check_seed(seed)
        self._vector.call("begin", self._seed)
        obs, infos = self._vector.reset()
        self._log = EpisodeLog(self.num_envs, self.single_action_space)
        return self._first_row(obs, infos)

    def step(self, action: Tensor) -> TensorDict:  # noqa: D102
        given = self._converted(action)
        begin = time.perf_counter()
        # A copy, because an environment may write to what it is given.
        step = self._vector.step(given.copy())
        seconds = time.perf_counter() - begin
        self._log.append(given, self._is_last)
        self._long_episode.note_step(seconds, self._log)
        return self._next_row(step, action)

    def _place(self, index: int) -> str:
        return f"row {self._log.num_actions()[index]} of its episode"

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        assert self._row is not None, "reset comes before state_dict"
        return {
            "id": self.id,
            "num_envs": self.num_envs,
            "env_index_offset": self.env_index_offset,
            "seed": self._seed,
            "log": self._log.state_dict(),
            "row": self._row.clone().to_dict(),
        }

    def state_form(self) -> dict[str, Any]:  # noqa: D102
        obs = self._observe(create_empty_array(self.single_observation_space, self.num_envs, fn=np.zeros))
        return {
            "id": self.id,
            "num_envs": self.num_envs,
            "env_index_offset": self.env_index_offset,
            "seed": Whole(),
            "log": EpisodeLog.state_form(self.num_envs, self.single_action_space.shape or ()),
            "row": row_form(obs, self.single_action_space, self.num_envs),
        }

    def load_state_dict(self, state: dict[str, Any]) -> TensorDict:  # noqa: D102
        check_state(state, id=self.id, num_envs=self.num_envs, env_index_offset=self.env_index_offset)
        stored = TensorDict(state["row"], batch_size=[self.num_envs]).to(self.device)
        self._seed = state["seed"]
        self._has_mask = "action_mask" in stored
        check_actions(state["log"].get("actions", None), self.single_action_space)
        self._log.load_state_dict(state["log"])
        self._long_episode.warn_of_repeating(self._log.num_actions().max())
        anew = np.zeros(self.num_envs, dtype=np.bool_)
        # One round, unless something is not reproducible; it ends, because every round adds to `anew`.
        while True:
            self._row, failed = self._repeat(stored["prev_action"])
            differs = (failed | ~equal_rows(self._row, stored).cpu().numpy()) & ~anew
            if not differs.any():
                break
            anew |= differs
            self._log.restart(differs)
        self.resume_is_exact = not anew.any()
        if anew.any():
            warnings.warn(
                f"Environment {self.name} is not reproducible after reset(seed) (index "
                f"{', '.join(map(str, anew.nonzero()[0]))}): its episode begins anew there, "
                "and this resume is not exact.",
                stacklevel=2,
            )
        return self._row

    def _repeat(self, prev_action: Tensor) -> tuple[TensorDict, np.ndarray]:
        """Reset every environment to its episode and repeat the actions since.

        Args:
            prev_action: the policy's last actions [B, ...].

        Returns:
            The row, and where the episode ended too soon, bool [B].
        """
        given = self._log.actions_since_reset()
        self._vector.call("restore", self._seed, self._log.episodes.tolist(), self.env_index_offset)
        self._vector.set_attr("to_repeat", given)
        with self._patience(1 + max(map(len, given))):
            self._vector.reset()
        last = self._to_env(np.zeros_like(prev_action.cpu().numpy()))
        for index, own in enumerate(given):
            if len(own):
                last[index] = own[-1]
        step = self._vector.step(last)
        is_first = np.array([len(own) == 0 for own in given])
        row = self._make_row(step, self._without_action(prev_action, is_first), is_first)
        return row, np.array(self._vector.call("replay_failed"))

    def _patience(self, calls: int) -> AbstractContextManager[None]:
        """Let processes take as long as so many calls may within the block."""
        return self._vector.patience(calls) if isinstance(self._vector, AsyncEnvs) else nullcontext()

    def render(self, index: int) -> np.ndarray:  # noqa: D102
        if self.render_mode != "rgb_array":
            raise ValueError(
                f"Videos need render_mode='rgb_array', but {self.name} was built with "
                f"{self.render_mode!r}: set it."
            )
        return np.asarray(self._vector.call("picture", index + self.env_index_offset)[index])
