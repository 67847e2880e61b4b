"""Which Gymnasium spaces agents act in, and what an action of a policy must be."""

from __future__ import annotations

import math
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.spaces import options_of


def action_layout(space: gs.Space[Any]) -> tuple[tuple[int, ...], torch.dtype]:
    """Return the shape and dtype of one action of the policy.

    Returns:
        `()` and int64 for Discrete, `(n,)` and int64 for MultiDiscrete, `shape` and float32 for a float Box.

    Raises:
        ValueError: if the space is of another kind, or holds no number.
    """
    if isinstance(space, gs.Discrete):
        return (), torch.int64
    if isinstance(space, gs.MultiDiscrete) and len(space.shape) == 1 and space.shape[0] > 0:
        return space.shape, torch.int64
    if isinstance(space, gs.Box) and np.issubdtype(space.dtype, np.floating) and 0 not in space.shape:
        return space.shape, torch.float32
    raise ValueError(
        "An action space must be Discrete, MultiDiscrete with one axis, or Box of one or more floating numbers, "
        f"but it is {space}: wrap the environment in engram.envs.FlatActions, or so that it takes one of these."
    )


def action_mask_size(space: gs.Space[Any]) -> int | None:
    """Return the number of entries in an action mask, None for a Box, which has no mask."""
    options = options_of(space)
    return None if options is None else sum(options)


class ActionCheck:
    """Holds batches of actions against a space.

    A policy's actions are counted from 0 whatever the `start` of the space, and may be any number but NaN for a
    Box: `engram.envs.BoxActions` brings them between the bounds. Actions `in_space` must lie between these already.

    In host memory what is outside is refused. A device would have to be waited for, so there actions are clamped:
    to the nearest in the space, NaN to 0.

    Args:
        space: action space of one environment.
        device: of the actions.

    Raises:
        ValueError: if agents do not act in such a space.
    """

    def __init__(self, space: gs.Space[Any], device: torch.device) -> None:
        self._shape, self.dtype = action_layout(space)
        self._space = space
        self._on_host = device.type == "cpu"
        self._low: Any = None
        if isinstance(space, gs.Box):
            self._low, self._high = space.low, space.high
            self._clamps = tuple(torch.as_tensor(bound, device=device) for bound in (space.low, space.high))
            return
        count = np.asarray(space.nvec if self._shape else space.n)  # type: ignore[attr-defined]
        # As unsigned numbers negative actions are too large ones: one comparison does for both.
        self._count = count.astype(np.uint64)[()]
        most = torch.as_tensor(count.astype(np.int64) - 1, device=device)
        self._clamps = (torch.zeros_like(most), most)

    def __call__(self, action: Tensor, is_ignored: Tensor, in_space: bool = False) -> Tensor:
        """Return actions of the space.

        Args:
            action: [B, ...].
            is_ignored: bool [B]; where an episode has ended, so that the action may be any.
            in_space: whether a Box action has been brought between the bounds.

        Raises:
            ValueError: if the shape or the kind is not that of the space, or an action is outside of it.
        """
        self.check_kind(action, len(is_ignored))
        if action.dtype is not self.dtype:
            action = action.to(self.dtype)
        if not self._on_host or torch.compiler.is_compiling():
            return self._clamp(action, in_space)
        numbers = action.detach().numpy()
        if self._are_inside(numbers, in_space):
            return action
        return self._refuse(action, self._outside(numbers, in_space), is_ignored.numpy(), in_space)

    def check_rollout(self, action: Tensor, is_ignored: Tensor) -> None:
        """Hold all actions of a rollout against the space at once, in host memory.

        Args:
            action: [B, T, ...].
            is_ignored: bool [B, T].

        Raises:
            ValueError: if one that counts is outside.
        """
        numbers = action.detach().to(self.dtype).numpy()
        if self._are_inside(numbers, False):
            return
        outside = self._outside(numbers, False)
        for time in range(action.shape[1]):
            self._refuse(action[:, time], outside[:, time], is_ignored[:, time].numpy(), False)

    def check_kind(self, action: Tensor, num_envs: int) -> None:
        """ValueError if these are not so many actions of the shape and kind of the space."""
        if (
            action.shape != (num_envs, *self._shape)
            or action.is_floating_point() != self.dtype.is_floating_point
        ):
            raise ValueError(
                f"An action must be {self.dtype} of shape {[num_envs, *self._shape]}, but it is {action.dtype} of "
                f"shape {list(action.shape)}: give the policy's own sample, one per environment."
            )

    def _are_inside(self, action: np.ndarray, in_space: bool) -> bool:
        """Whether no number is outside; part by part, because numpy is slow over a last axis of few."""
        if self._low is not None:
            return not self._outside(action, in_space).any()
        codes = action.view(np.uint64)
        if not self._shape:
            return bool(codes.max() < self._count)
        return all(codes[..., part].max() < count for part, count in enumerate(self._count))

    def _outside(self, action: np.ndarray, in_space: bool) -> np.ndarray:
        """Where numbers are outside of the space, bool [B, ...]."""
        if self._low is None:
            return action.view(np.uint64) >= self._count
        return ~((action >= self._low) & (action <= self._high)) if in_space else np.isnan(action)

    def _clamp(self, action: Tensor, in_space: bool) -> Tensor:
        """Bring actions into the space without a look at them from the host."""
        if self._low is not None:
            action = action.nan_to_num(nan=0.0, posinf=math.inf, neginf=-math.inf)
        return action.clamp(*self._clamps) if in_space or self._low is None else action

    def _refuse(self, action: Tensor, outside: np.ndarray, is_ignored: np.ndarray, in_space: bool) -> Tensor:
        """Name the first action outside of the space; where all of these are ignored, put 0 in their place."""
        wrong = outside.reshape(len(outside), -1).any(1) & ~is_ignored
        if not wrong.any():
            return torch.where(torch.from_numpy(outside), torch.zeros_like(action), action)
        index = int(wrong.argmax())
        rule = f"be in {self._space}"
        if self._low is None:
            rule += ", counted from 0" if np.any(self._space.start) else ""  # type: ignore[attr-defined]
        elif not in_space:
            rule = "consist of numbers, not NaN"
        raise ValueError(
            f"An action must {rule}, but environment {index} was given {action[index].tolist()}: choose another."
        )


def batch_actions(space: gs.Space[Any], actions: Any, num_envs: int) -> Tensor:
    """Turn a batch of actions from outside, in whatever form Gymnasium's users give them, into a tensor.

    Args:
        space: action space of one environment.
        actions: [num_envs, ...], an array or nested sequence of members of the space.
        num_envs: number of environments B.

    Returns:
        The actions [B, ...] in host memory, in the dtype of `action_layout`; not yet held against the bounds.

    Raises:
        ValueError: if there are not so many, or they are not of the shape and kind of the space.
    """
    shape, dtype = action_layout(space)
    try:
        array = np.asarray(actions)
    except ValueError:  # parts of different lengths
        array = np.asarray(None)
    if array.shape != (num_envs, *shape) or array.dtype.kind not in (
        "fiu" if dtype.is_floating_point else "iub"
    ):
        given = actions if array.dtype == object else f"{array.dtype} of shape {list(array.shape)}"
        raise ValueError(
            f"Actions must be of shape {[num_envs, *shape]}, one in {space} for each environment, but got {given}: "
            "give these."
        )
    return torch.as_tensor(array).to(dtype)
