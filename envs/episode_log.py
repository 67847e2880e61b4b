"""What it takes to repeat the running episodes of a vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

# Steps at the beginning that no running episode needs are dropped whenever so many have been added.
_TRIM = 1024


class EpisodeLog:
    """Episode numbers, and the actions given since each episode's reset.

    A step costs one list entry for all environments; which of it an environment needs is worked out when
    asked.

    Args:
        num_envs: number of environments B.

    Attributes:
        episodes: number of the running episode of each environment, int64 [B].
    """

    def __init__(self, num_envs: int) -> None:
        self.episodes = np.zeros(num_envs, dtype=np.int64)
        self._actions: list[np.ndarray] = []  # [B, ...] per step, the ignored ones too
        self._start = np.zeros(num_envs, dtype=np.int64)  # where each episode begins in it

    def append(self, actions: np.ndarray, is_first: np.ndarray) -> None:
        """Note a step: what it was given, and where it began an episode instead (bool [B])."""
        self._actions.append(actions)
        if is_first.any():
            self.episodes += is_first
            self.restart(is_first)
        if len(self._actions) % _TRIM == 0:
            unused = int(self._start.min())
            del self._actions[:unused]
            self._start -= unused

    def restart(self, where: np.ndarray) -> None:
        """Forget the actions of some environments, bool [B]."""
        self._start[where] = len(self._actions)

    def actions_since_reset(self) -> list[list[np.ndarray]]:
        """Return for each environment the actions of its running episode."""
        return [
            [actions[index] for actions in self._actions[start:]] for index, start in enumerate(self._start)
        ]

    def num_actions(self, index: int) -> int:
        """Return how many actions the running episode of one environment has had."""
        return len(self._actions) - int(self._start[index])

    def state_dict(self) -> dict[str, Any]:
        """Return tensors: `episodes` [B], `start` [B], and `actions` [steps, B, ...] if there are any."""
        begin = int(self._start.min())
        state = {
            "episodes": torch.from_numpy(self.episodes.copy()),
            "start": torch.from_numpy(self._start - begin),
        }
        if self._actions[begin:]:
            state["actions"] = torch.from_numpy(np.stack(self._actions[begin:]))
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the result of `state_dict`."""
        self.episodes = np.array(state["episodes"].cpu().numpy())
        self._start = np.array(state["start"].cpu().numpy())
        self._actions = list(state["actions"].cpu().numpy()) if "actions" in state else []
