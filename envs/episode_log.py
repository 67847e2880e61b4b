"""What it takes to repeat the running episodes of a vector environment."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch

from engram.common.state_form import ByKey, Maybe, Numbers, StateError

# Steps are gathered for all environments; after so many each environment keeps what its episode needs of them.
_BLOCK = 1024


class EpisodeLog:
    """Episode numbers, and the actions given since each episode's reset.

    An action takes what its space needs: one byte for Discrete with up to 256 actions. Nothing is kept of episodes
    that have ended, but for the last steps.

    Args:
        num_envs: number of environments B.
        space: action space of one of them.

    Attributes:
        episodes: number of the running episode of each environment, int64 [B].
    """

    def __init__(self, num_envs: int, space: gs.Space[Any]) -> None:
        self.episodes = np.zeros(num_envs, dtype=np.int64)
        self._dtype = stored_dtype(space)
        self._block = np.zeros((_BLOCK, num_envs, *(space.shape or ())), self._dtype)
        self._size = 0  # steps in the block
        self._start = np.zeros(num_envs, dtype=np.int64)  # where each running episode begins in it
        self._pieces: list[list[np.ndarray]] = [[] for _ in range(num_envs)]  # what came before it
        self._num_before = np.zeros(num_envs, dtype=np.int64)

    def append(self, actions: np.ndarray, is_first: np.ndarray) -> None:
        """Note a step: what it was given, [B, ...], and where it began an episode instead (bool [B])."""
        self._block[self._size] = actions
        self._size += 1
        if is_first.any():
            self.episodes += is_first
            self.restart(is_first)
        if self._size == _BLOCK:
            self._part_block()

    def _part_block(self) -> None:
        """Give every environment its own of the block, and empty it."""
        for index, start in enumerate(self._start):
            if start < _BLOCK:
                self._pieces[index].append(self._block[start:, index].copy())
        self._num_before += _BLOCK - self._start
        self._start[:] = 0
        self._size = 0

    def restart(self, where: np.ndarray) -> None:
        """Forget the actions of some environments, bool [B]."""
        self._start[where] = self._size
        self._num_before[where] = 0
        for index in where.nonzero()[0]:
            self._pieces[index].clear()

    def actions_since_reset(self) -> list[np.ndarray]:
        """Return for each environment the actions of its running episode, [n, ...] as they are stored."""
        return [
            np.concatenate([*pieces, self._block[start : self._size, index]])
            for index, (pieces, start) in enumerate(zip(self._pieces, self._start, strict=True))
        ]

    def num_actions(self) -> np.ndarray:
        """Return how many actions the running episode of each environment has had, int64 [B]."""
        return self._num_before + self._size - self._start

    def state_dict(self) -> dict[str, Any]:
        """Return tensors: `episodes` [B], `lengths` [B], and `actions` [sum of lengths, ...], one after the other."""
        return {
            "episodes": torch.from_numpy(self.episodes.copy()),
            "lengths": torch.from_numpy(self.num_actions()),
            "actions": torch.from_numpy(np.concatenate(self.actions_since_reset())),
        }

    @staticmethod
    def state_form(num_envs: int, action_shape: tuple[int, ...]) -> ByKey:
        """The form of these and of what was stored before, see `engram.common.state_form`; of actions any dtype."""
        counts = Numbers((num_envs,), torch.int64, low=0)
        now = {"episodes": counts, "lengths": counts, "actions": Numbers((None, *action_shape))}
        before = {
            "episodes": counts,
            "start": counts,
            "actions": Maybe(Numbers((None, num_envs, *action_shape))),
        }
        return ByKey("start", before, now)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the result of `state_dict`.

        Raises:
            StateError: a ValueError, if its parts do not belong together.
        """
        own = _actions_of_before(state) if "start" in state else _actions_of(state)
        self.episodes = np.array(state["episodes"].cpu().numpy())
        if not len(own) == len(self.episodes) == len(self._pieces):
            raise StateError(
                f"A stored state must hold the episodes of {len(self._pieces)} environments, but it holds "
                f"{len(self.episodes)} and the actions of {len(own)}: take another checkpoint."
            )
        shape = self._block.shape[2:]
        self._pieces = [[actions.reshape(-1, *shape).astype(self._dtype)] for actions in own]
        self._num_before = np.array([len(actions) for actions in own], dtype=np.int64)
        self._start[:] = 0
        self._size = 0


def stored_dtype(space: gs.Space[Any]) -> np.dtype[Any]:
    """Return the smallest kind of number that holds every action of a space, and that a checkpoint can hold."""
    assert space.dtype is not None
    if isinstance(space, gs.Box):
        return np.dtype(space.dtype)
    first = np.asarray(space.start)  # type: ignore[attr-defined]
    last = first + np.asarray(space.n if isinstance(space, gs.Discrete) else space.nvec) - 1  # type: ignore[attr-defined]
    fitting = (
        np.dtype(kind)
        for kind in (np.uint8, np.int16, np.int32, np.int64)
        if np.iinfo(kind).min <= first.min() and last.max() <= np.iinfo(kind).max
    )
    return next(fitting)


def _actions_of(state: dict[str, Any]) -> list[np.ndarray]:
    """Each environment's actions, [n, ...]."""
    ends = np.cumsum(state["lengths"].cpu().numpy())
    actions = state["actions"].cpu().numpy()
    if (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(actions):
        raise StateError(
            f"A stored state must hold as many actions as its episodes are long, but it holds {len(actions)} for "
            f"{ends[-1]}: take another checkpoint."
        )
    return np.split(actions, ends[:-1])


def _actions_of_before(state: dict[str, Any]) -> list[np.ndarray]:
    """The same of a state as it was stored before: steps [n, B, ...], and where in them the episodes begin."""
    starts = state["start"].cpu().numpy()
    if "actions" not in state:
        return [np.zeros(0)] * len(starts)
    actions = state["actions"].cpu().numpy()
    return [actions[start:, index] for index, start in enumerate(starts)]
