"""From action masks, in the forms in which environments give them, to what rows hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from engram.common.spaces import options_of

KEY = "action_mask"


class MaskReader:
    """Reads which actions are allowed: one mask, or one for each environment.

    A mask holds 0 or 1 for every action; for MultiDiscrete it is the masks of its parts, a tuple of them or one after
    the other. As in training, an entry `action_mask` of a Dict observation is the mask where none is given.

    Args:
        observation_space: of one observation.
        action_space: of one action.
        device: of what is read.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], device: torch.device
    ) -> None:
        self._options, self._device = options_of(action_space), device
        self._size = sum(self._options or ())
        self._in_observation = isinstance(observation_space, spaces.Dict) and KEY in observation_space.spaces

    def __call__(self, mask: Any, observation: Any, num_envs: int) -> Tensor | None:
        """Read masks.

        Args:
            mask: as given, None for no mask.
            observation: that came with it, already found to be of its space.
            num_envs: B.

        Returns:
            Bool `[B, n]`, or None where all is allowed.

        Raises:
            ValueError: if these are no masks of the actions.
        """
        if mask is None and self._options is not None and self._in_observation:
            mask = observation[KEY]
        if mask is None:
            return None
        if self._options is None:
            raise ValueError(
                "Masks are for the choices of Discrete and MultiDiscrete actions, but this agent acts in a Box and "
                "was given one; leave action_mask out."
            )
        array = self._array(mask)
        fits = array.shape == (num_envs, self._size) or (num_envs == 1 and array.size == self._size)
        if not fits or array.dtype.kind not in "biuf" or not ((array == 0) | (array == 1)).all():
            shapes = f"{[self._size]} or {[1, self._size]}" if num_envs == 1 else f"{[num_envs, self._size]}"
            got = mask if array.dtype == object or fits else f"shape {list(array.shape)}"
            raise ValueError(
                "action_mask must hold 1 for every action that is allowed and 0 for others (for MultiDiscrete its "
                f"parts one after the other), expected shape {shapes}, but got {got}; give info['action_mask'], say."
            )
        return torch.from_numpy(array.reshape(num_envs, self._size).astype(np.bool_)).to(self._device)

    def _array(self, mask: Any) -> np.ndarray:
        """Return masks as one array, those of parts side by side."""
        if isinstance(mask, Tensor):
            mask = mask.detach().cpu()
        try:
            if isinstance(mask, (tuple, list)) and any(np.ndim(part) for part in mask):
                parts = [np.asarray(part) for part in mask]
                if tuple(part.shape[-1] for part in parts) == self._options:
                    return np.concatenate(parts, axis=-1)
            return np.asarray(mask)
        except (ValueError, IndexError):  # parts of different depths
            return np.asarray(None)
