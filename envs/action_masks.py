"""Which actions an environment allows, in the three ways in which environments say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
from torch import Tensor

from engram.common.actions import action_mask_size
from engram.common.errors import EnvironmentFault

KEY = "action_mask"
_METHOD = "action_masks"


class MaskReader:
    """Reads the mask of an environment's discrete actions with every observation.

    The first of these that there is counts:

    - `info["action_mask"]`, as Gymnasium's Taxi gives it;
    - a method `action_masks()` of the environment or one of its wrappers, as of stable-baselines' MaskablePPO;
    - the entry `action_mask` of a Dict observation, as in PettingZoo and RLlib. It stays an observation, too.

    A mask holds 0 or 1, false or true, for every action. For MultiDiscrete it is the masks of its parts, a tuple or
    list of them as for `MultiDiscrete.sample`, or one after the other in one array.

    Args:
        env: the environment with its wrappers.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        size = action_mask_size(env.action_space)
        self._size = size or 0
        self.is_needed = size is not None  # a Box has no mask
        self._method: Callable[[], Any] | None = None
        if self.is_needed and env.has_wrapper_attr(_METHOD) and callable(env.get_wrapper_attr(_METHOD)):
            self._method = env.get_wrapper_attr(_METHOD)
        space = env.observation_space
        self._in_observation = self.is_needed and isinstance(space, gs.Dict) and KEY in space.spaces

    def __call__(self, obs: Any, info: dict[str, Any]) -> np.ndarray | None:
        """Return the mask, bool [n], or None if there is none.

        Args:
            obs: as the environment gave it.
            info: that came with it.

        Raises:
            EnvironmentFault: if it is not a mask of these actions.
        """
        if not self.is_needed:
            return None
        if KEY in info:
            return self._flat(info[KEY], f"info[{KEY!r}]")
        if self._method is not None:
            return self._flat(self._method(), f"{_METHOD}()")
        return self._flat(obs[KEY], f"The observation {KEY!r}") if self._in_observation else None

    def _flat(self, mask: Any, name: str) -> np.ndarray:
        """Make one bool array of a mask in any of its forms."""
        try:
            flat = _concatenated(mask)
        except ValueError:  # parts of different depths
            flat = np.asarray(None)
        if flat.shape != (self._size,):
            raise EnvironmentFault(
                f"{name} must have {self._size} entries, one per action (for MultiDiscrete its parts one after the "
                f"other), but its shape is {flat.shape}: correct the environment, or rename what is no mask."
            )
        allowed = flat.astype(np.bool_)
        if flat.dtype != np.bool_ and not (flat == allowed).all():
            raise EnvironmentFault(
                f"{name} must hold 1 for actions that are allowed and 0 for others, but it is {flat.tolist()}: "
                "correct the environment."
            )
        return allowed


def _concatenated(mask: Any) -> np.ndarray:
    """Put the parts of a mask one after the other; an array of parts of one length may have two axes."""
    if isinstance(mask, (tuple, list)) and any(isinstance(part, (tuple, list, np.ndarray)) for part in mask):
        return np.concatenate([np.atleast_1d(np.asarray(part)) for part in mask])
    array = np.asarray(mask)
    return array.reshape(-1) if array.ndim == 2 else array


def nothing_allowed(mask: np.ndarray, space: gymnasium.Space[Any]) -> np.ndarray:
    """Where a mask, bool [..., n], allows no action, or none for one part of MultiDiscrete; bool [...]."""
    if isinstance(space, gs.MultiDiscrete):
        starts = np.concatenate([[0], np.cumsum(space.nvec)[:-1]]).astype(np.intp)
        return ~np.asarray(np.logical_or.reduceat(mask, starts, axis=-1).all(-1))
    return ~np.asarray(mask.any(-1))


def check_masks(mask: Tensor, is_last: Tensor, space: gymnasium.Space[Any]) -> None:
    """Refuse masks that allow nothing where an action counts.

    Args:
        mask: bool [B, T, n].
        is_last: bool [B, T]; on such rows nothing needs to be allowed.
        space: action space of one environment.

    Raises:
        EnvironmentFault: names the first environment and row.
    """
    wrong = nothing_allowed(mask.cpu().numpy(), space) & ~is_last.cpu().numpy()
    if wrong.any():
        index, row = (int(where[0]) for where in wrong.nonzero())
        raise EnvironmentFault(no_action_message(mask[index, row].tolist(), index, f"row {row} of a rollout"))


def no_action_message(mask: Sequence[bool], index: int, where: str) -> str:
    """Say in one sentence that a mask allows nothing."""
    return (
        "An action mask must allow an action (for MultiDiscrete one of every part) unless the episode has ended, but "
        f"that of environment {index} on {where} is {[int(allowed) for allowed in mask]}: correct the environment."
    )
