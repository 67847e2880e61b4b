"""Between the tensors of natives and the numpy arrays of their clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import Space
from torch import Tensor

from engram.common.actions import ActionCheck, batch_actions
from engram.common.spaces import as_sample, fold
from engram.envs.native import NativeVectorEnv


def observation_to_numpy(space: Space[Any], obs: Any) -> Any:
    """Turn the observations of a row into a batched observation of Gymnasium.

    Args:
        space: of one environment.
        obs: of a row [B], a tensor or for Dict and Tuple a TensorDict.

    Returns:
        Arrays [B, ...] in the space's dtypes, in a dict or tuple like the space; copies, free to be written to.
    """
    return _like_samples(space, obs, lambda leaf, value: value.astype(leaf.dtype))


def first_observation(space: Space[Any], obs: Any) -> Any:
    """Turn the observation of a row with a batch of one into one observation of the space, a copy."""

    def first(leaf: Space[Any], value: np.ndarray) -> Any:
        number = value[0]
        return number if isinstance(number, np.integer) else number.astype(leaf.dtype)

    return _like_samples(space, obs, first)


def _like_samples(space: Space[Any], obs: Any, convert: Callable[[Space[Any], np.ndarray], Any]) -> Any:
    """Convert the leaves of a row's observation, and put them together as the samples of the space are."""
    return fold(
        space,
        lambda path, leaf: convert(leaf, (obs.get(path) if path else obs).cpu().numpy()),
        as_sample,
    )


def action_to_tensor(native: NativeVectorEnv, actions: Any) -> Tensor:
    """Turn batched actions of Gymnasium, [B, ...] of numbers, into what a native's `step` takes with `in_space`.

    Args:
        native: after its reset.
        actions: members of the action space, an array or nested sequence.

    Raises:
        ValueError: if there are not so many, or they are of another kind, or one is outside of the space and the
            native on a device would clamp it (in host memory its `step` refuses it).
    """
    space = native.single_action_space
    batch = batch_actions(space, actions, native.num_envs)
    if native.device.type != "cpu":
        assert native.state is not None, "reset comes before step"
        batch = ActionCheck(space, batch.device)(batch, native.state["is_last"].cpu(), in_space=True)
    return batch.to(native.device)
