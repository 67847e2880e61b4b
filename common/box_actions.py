"""From the numbers of a policy to the bounds of a Box."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.actions import action_layout
from engram.common.checked import checked

BoxAction = Literal["auto", "clip", "rescale"]
BOX_ACTIONS = get_args(BoxAction)


def bounded(space: gs.Box) -> np.ndarray:
    """Say of each number of a Box whether both of its bounds are finite, bool `[*shape]`.

    A bound at the dtype's largest number is as good as none.
    """
    largest = float(np.finfo(space.dtype).max)  # type: ignore[type-var]
    bounds: np.ndarray = (space.low > -largest) & (space.high < largest)
    return bounds


class BoxActions:
    """Brings a policy's numbers between the bounds of a Box.

    `rescale` cuts each number to [-1, 1] and maps that to the bounds, -1 and 1 to the very bounds. `clip` cuts it
    to the bounds. `auto` decides for each number by itself: it is rescaled if both of its bounds are finite, else
    clipped, so that a half-open one such as [0, inf) is cut at 0 and keeps its unit. For bounds of -1 and 1 all three
    are the same.

    No result is outside of the bounds, in the dtype of the space too.

    Args:
        space: action space of one environment.
        box_action: `auto`, `clip` or `rescale`.

    Raises:
        ValueError: for another word, or if `rescale` meets an infinite bound.
    """

    @checked
    def __init__(self, space: gs.Box, box_action: BoxAction = "auto") -> None:
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        if box_action == "rescale" and not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(
                f"action='rescale' needs finite bounds, but the action space is {space}: use action='auto', which "
                "clips where a bound is infinite."
            )
        rescaled: dict[str, Any] = {"auto": bounded(space), "clip": False, "rescale": True}
        self._rescaled = np.broadcast_to(np.asarray(rescaled[box_action]), space.shape)
        self._low, self._high, self._dtype = space.low, space.high, space.dtype
        # What the policy's numbers are cut to, then scaled and moved by; halves, because a difference of bounds may
        # be too large for a number.
        self._cut = np.where(self._rescaled, -1.0, low), np.where(self._rescaled, 1.0, high)
        with np.errstate(invalid="ignore"):
            self._scale = np.where(self._rescaled, high / 2 - low / 2, 1.0)
            self._middle = np.where(self._rescaled, low / 2 + high / 2, 0.0)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return actions [..., *shape] in the dtype of the space."""
        cut = action.astype(np.float64).clip(*self._cut)
        with np.errstate(over="ignore"):
            moved = self._middle + cut * self._scale
        # Rounding may keep the ends of [-1, 1] away from the bounds.
        moved = np.where(self._rescaled & (cut == 1.0), self._high, moved)
        moved = np.where(self._rescaled & (cut == -1.0), self._low, moved)
        return moved.astype(self._dtype).clip(self._low, self._high)

    def on(self, device: torch.device) -> BoxTensorActions:
        """Return the same for tensors on a device, up to the last digit."""
        return BoxTensorActions(
            self._cut, self._scale, self._middle, (self._low, self._high), self._rescaled, device
        )


class BoxTensorActions:
    """`BoxActions` for tensors, made by its `on`; nothing in it waits for the device.

    It computes in the dtype of the space, and only what the bounds ask for: to be multiplied by 1 takes time too.
    """

    def __init__(
        self,
        cut: tuple[np.ndarray, np.ndarray],
        scale: np.ndarray,
        middle: np.ndarray,
        bounds: tuple[np.ndarray, np.ndarray],
        rescaled: np.ndarray,
        device: torch.device,
    ) -> None:
        dtype = torch.as_tensor(bounds[0]).dtype

        def constant(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.array(array), dtype=dtype)

        middles, scales, lows, highs = map(constant, (middle, scale, *bounds))
        # What lies between two numbers keeps its order when both are scaled, so that only the ends can go wrong.
        ends_hold = (middles - scales == lows) & (middles + scales == highs)
        self._ends_hold = bool((ends_hold.numpy() | ~rescaled).all())
        self._dtype, self._rescaled = dtype, torch.as_tensor(np.array(rescaled), device=device)
        self._cut = tuple(constant(limit).to(device) for limit in cut)
        self._middle, self._scale = middles.to(device), scales.to(device)
        self._low, self._high = lows.to(device), highs.to(device)
        # One number for all is faster than a tensor of them.
        self._is_uniform = all((limit == limit.flat[0]).all() for limit in map(np.asarray, cut))
        self._cut_numbers = tuple(float(np.asarray(limit).flat[0]) for limit in cut)
        self._scales, self._moves = bool((scale != 1).any()), bool((middle != 0).any())

    def __call__(self, action: Tensor) -> Tensor:
        """Return actions [..., *shape] in the dtype of the space."""
        limits: Any = self._cut_numbers if self._is_uniform else self._cut
        cut = action.to(self._dtype).clamp(*limits)
        moved = cut * self._scale if self._scales else cut
        moved = moved + self._middle if self._moves else moved
        if self._ends_hold:
            return moved
        moved = torch.where(self._rescaled & (cut == 1.0), self._high, moved)
        moved = torch.where(self._rescaled & (cut == -1.0), self._low, moved)
        return moved.clamp(self._low, self._high)


class ActionConverter:
    """From a batch of a policy's actions to what the environments take: in the space's own dtype and counting.

    Args:
        space: action space of one environment.
        box_action: for a Box, as for `BoxActions`.

    Raises:
        ValueError: if agents do not act in such a space, or as `BoxActions`.
    """

    @checked
    def __init__(self, space: gs.Space[Any], box_action: BoxAction = "auto") -> None:
        action_layout(space)
        self._space = space
        self._box = BoxActions(space, box_action) if isinstance(space, gs.Box) else None

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return actions [B, ...], an array of its own."""
        if self._box is not None:
            return self._box(action)
        space: Any = self._space
        return (action + np.asarray(space.start, dtype=np.int64)).astype(space.dtype)
