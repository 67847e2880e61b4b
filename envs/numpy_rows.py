"""Between the tensors of natives and the numpy arrays of their clients."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from gymnasium import Space
from torch import Tensor

from envs.native import NativeVectorEnv
from envs.spaces import action_layout


def observation_to_numpy(space: Space[Any], obs: Any) -> Any:
    """Turn the observations of a row into a batched observation of Gymnasium.

    Args:
        space: of one environment.
        obs: of a row [B], a tensor or for Dict and Tuple a TensorDict.

    Returns:
        Arrays [B, ...] in the space's dtypes, in a dict or tuple like the space; copies, free to be written to.
    """
    if isinstance(space, gs.Dict):
        return {key: observation_to_numpy(part, obs[key]) for key, part in space.spaces.items()}
    if isinstance(space, gs.Tuple):
        return tuple(observation_to_numpy(part, obs[str(index)]) for index, part in enumerate(space.spaces))
    return obs.cpu().numpy().astype(space.dtype)


def action_to_tensor(native: NativeVectorEnv, actions: Any) -> Tensor:
    """Turn batched actions of Gymnasium, [B, ...] of numbers, into what a native's `step` takes."""
    _, dtype = action_layout(native.single_action_space)
    return torch.as_tensor(np.asarray(actions), device=native.device).to(dtype)
