"""Which Gymnasium spaces are supported, and how their samples become tensors and back."""

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
    become float32. Dict becomes a nested TensorDict, Tuple one with the keys "0", "1", ….

    Args:
        space: observation space of one environment.
        num_envs: B.
        device: of the result.

    Raises:
        ValueError: if the space, or a part of it, is of another kind.
    """
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
    if isinstance(space, (gs.Box, gs.MultiBinary)):
        is_image = space.dtype == np.uint8 and len(space.shape) >= 2
        dtype = torch.uint8 if is_image and isinstance(space, gs.Box) else torch.float32
        return lambda batch: _copy(batch, dtype, device)
    raise ValueError(
        "An observation space must be Box, Discrete, MultiDiscrete, MultiBinary, or Dict or Tuple of these, "
        f"but it is {space}: wrap the environment so that it gives one of these."
    )


def _nested_converter(
    parts: dict[str, gs.Space[Any]], num_envs: int, device: torch.device
) -> ObservationConverter:
    """Build the converter of named parts."""
    for key in parts:
        if not isinstance(key, str) or "." in key:
            raise ValueError(
                f"The keys of a Dict observation must be strings without dots, but one is {key!r}: rename it."
            )
    converters = {key: observation_converter(part, num_envs, device) for key, part in parts.items()}
    return lambda batch: TensorDict(
        {key: convert(batch[key]) for key, convert in converters.items()}, batch_size=[num_envs]
    )


def _copy(batch: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copy an array that its owner will overwrite."""
    return torch.from_numpy(np.asarray(batch)).to(device=device, dtype=dtype, copy=True)


def action_layout(space: gs.Space[Any]) -> tuple[tuple[int, ...], torch.dtype]:
    """Return the shape and dtype of one action of the policy.

    Returns:
        `()` and int64 for Discrete, `(n,)` and int64 for MultiDiscrete, `shape` and float32 for a float Box.

    Raises:
        ValueError: if the space is of another kind.
    """
    if isinstance(space, gs.Discrete):
        return (), torch.int64
    if isinstance(space, gs.MultiDiscrete) and len(space.shape) == 1:
        return space.shape, torch.int64
    if isinstance(space, gs.Box) and np.issubdtype(space.dtype, np.floating):
        return space.shape, torch.float32
    raise ValueError(
        "An action space must be Discrete, MultiDiscrete with one axis, or Box of floating numbers, "
        f"but it is {space}: wrap the environment so that it takes one of these."
    )


def action_mask_size(space: gs.Space[Any]) -> int | None:
    """Return the number of entries in an action mask, None for a Box, which has no mask."""
    if isinstance(space, gs.Discrete):
        return int(space.n)
    if isinstance(space, gs.MultiDiscrete):
        return int(space.nvec.sum())
    return None


def action_converter(space: gs.Space[Any], box_action: str = "clip") -> Callable[[np.ndarray], np.ndarray]:
    """Build the function from a batch of the policy's actions to what the environment takes.

    Args:
        space: action space of one environment.
        box_action: `clip` cuts a Box action to the bounds; `rescale` cuts it to [-1, 1] and maps that to the
            bounds.

    Raises:
        ValueError: if the space is not supported, or `rescale` meets an infinite bound.
    """
    _check_box_action(space, box_action)
    if isinstance(space, (gs.Discrete, gs.MultiDiscrete)):
        start = np.asarray(space.start, dtype=np.int64)
        return (lambda action: action + start) if start.any() else (lambda action: action)
    assert isinstance(space, gs.Box)
    low, high, dtype = space.low, space.high, space.dtype
    return lambda action: _into_box(action, low, high, box_action).astype(dtype, copy=False)


def tensor_action_converter(
    space: gs.Box, box_action: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Build the function from the policy's Box actions [B, *shape] to bounded ones, tensors on `device`.

    Args:
        space: action space of one environment.
        box_action: as for `action_converter`.
        device: of the actions.

    Raises:
        ValueError: as for `action_converter`.
    """
    _check_box_action(space, box_action)
    low, high = (torch.as_tensor(bound, device=device) for bound in (space.low, space.high))
    return lambda action: _into_box(action, low, high, box_action)


def _check_box_action(space: gs.Space[Any], box_action: str) -> None:
    """ValueError if the space is not supported, or cannot be reached in this way."""
    action_layout(space)
    if box_action not in ("clip", "rescale"):
        raise ValueError(
            f"The option action must be 'clip' or 'rescale', but it is {box_action!r}: choose one of these."
        )
    if isinstance(space, gs.Box) and box_action == "rescale":
        if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
            raise ValueError(
                f"action='rescale' needs finite bounds, but the action space is {space}: use action='clip'."
            )


def _into_box(action: Any, low: Any, high: Any, box_action: str) -> Any:
    """Bring actions between the bounds; arrays and tensors alike."""
    if box_action == "clip":
        return action.clip(low, high)
    return low + (action.clip(-1.0, 1.0) + 1.0) * 0.5 * (high - low)


def check_action(action: Tensor, num_envs: int, layout: tuple[tuple[int, ...], torch.dtype]) -> None:
    """ValueError if a batch of actions does not have the shape and kind of the layout."""
    shape, dtype = layout
    if action.shape != (num_envs, *shape) or action.is_floating_point() != dtype.is_floating_point:
        raise ValueError(
            f"An action must be {dtype} of shape {[num_envs, *shape]}, but it is {action.dtype} of shape "
            f"{list(action.shape)}: give the policy's own sample, one per environment."
        )
