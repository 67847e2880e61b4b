"""Which Gymnasium observation spaces are supported, and how their samples become tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

ObservationConverter = Callable[[Any], Tensor | TensorDict]


def observation_converter(space: gs.Space[Any], num_envs: int, device: torch.device) -> ObservationConverter:
    """Build the function from a batched Gymnasium observation to tensors on `device`, always a copy.

    Discrete becomes int64 [B] and MultiDiscrete int64 [B, *shape], both counted from 0 whatever their
    `start`; a uint8 Box of two or more dimensions (an image) stays uint8; every other Box and MultiBinary
    become float32. Dict becomes a nested TensorDict, Tuple one with the keys "0", "1", …; their parts of any other
    kind, such as Text, are left out, and an agent says so unless it is told to (`leaves.<key>=none`).

    Args:
        space: observation space of one environment.
        num_envs: B.
        device: of the result.

    Raises:
        ValueError: if the space, or every part of it, is of another kind.
    """
    if not _has_tensors(space):
        raise ValueError(
            "An observation space must be Box, Discrete, MultiDiscrete, MultiBinary, or Dict or Tuple of these, "
            f"but it is {space}: wrap the environment so that it gives one of these."
        )
    if isinstance(space, gs.Dict):
        return _nested_converter(dict(space.spaces.items()), num_envs, device)
    if isinstance(space, gs.Tuple):
        parts = {str(index): part for index, part in enumerate(space.spaces)}
        convert = _nested_converter(parts, num_envs, device)
        return lambda batch: convert({str(index): part for index, part in enumerate(batch)})
    if isinstance(space, (gs.Discrete, gs.MultiDiscrete)):
        start = torch.as_tensor(np.asarray(space.start, dtype=np.int64))
        if not start.any():
            return lambda batch: _copy(batch, torch.int64, device)
        return lambda batch: (torch.from_numpy(np.asarray(batch, dtype=np.int64)) - start).to(device)
    assert isinstance(space, (gs.Box, gs.MultiBinary))
    is_image = space.dtype == np.uint8 and len(space.shape) >= 2
    dtype = torch.uint8 if is_image and isinstance(space, gs.Box) else torch.float32
    return lambda batch: _copy(batch, dtype, device)


def _has_tensors(space: gs.Space[Any]) -> bool:
    """Whether a space, or a part of it, becomes a tensor."""
    if isinstance(space, gs.Dict):
        return any(map(_has_tensors, space.spaces.values()))
    if isinstance(space, gs.Tuple):
        return any(map(_has_tensors, space.spaces))
    return isinstance(space, (gs.Box, gs.Discrete, gs.MultiDiscrete, gs.MultiBinary))


def _nested_converter(
    parts: dict[str, gs.Space[Any]], num_envs: int, device: torch.device
) -> ObservationConverter:
    """Build the converter of named parts."""
    for key in parts:
        if not isinstance(key, str) or "." in key:
            raise ValueError(
                f"The keys of a Dict observation must be strings without dots, but one is {key!r}: rename it."
            )
    converters = {
        key: observation_converter(part, num_envs, device)
        for key, part in parts.items()
        if _has_tensors(part)
    }
    return lambda batch: TensorDict(
        {key: convert(batch[key]) for key, convert in converters.items()}, batch_size=[num_envs]
    )


def _copy(batch: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copy an array that its owner will overwrite."""
    return torch.from_numpy(np.asarray(batch)).to(device=device, dtype=dtype, copy=True)
