"""What the stored row and actions of a Gymnasium environment must look like."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.actions import action_layout, action_mask_size
from engram.common.spaces import options_of
from engram.common.state_form import Maybe, Numbers, StateError


def row_form(obs: Tensor | TensorDict, space: gymnasium.Space[Any], num_envs: int) -> dict[str, Any]:
    """The form of a row, see `engram.common.state_form`.

    Args:
        obs: an observation [B, ...], as rows hold it.
        space: of one action.
        num_envs: B.
    """
    flags = Numbers((num_envs,), torch.bool)
    row = {
        "obs": obs.to_dict() if isinstance(obs, TensorDict) else obs,
        "reward": Numbers((num_envs,), torch.float32),
        "prev_action": Numbers((num_envs, *action_layout(space)[0])),  # once stored in another dtype
        "is_first": flags,
        "is_last": flags,
        "is_terminal": flags,
    }
    size = action_mask_size(space)
    return row if size is None else {**row, "action_mask": Maybe(Numbers((num_envs, size), torch.bool))}


def check_actions(stored: Tensor | None, space: gymnasium.Space[Any]) -> None:
    """Refuse stored actions that an environment need not know, before it is given any.

    Args:
        stored: what the environments were given, [steps, B, ...].
        space: of one action.

    Raises:
        StateError: if one lies outside of a Discrete or MultiDiscrete space.
    """
    options = None if stored is None else options_of(space)
    if stored is None or options is None:
        return
    choice = stored.cpu().numpy() - space.start  # type: ignore[attr-defined]
    if ((choice < 0) | (choice >= np.array(options).reshape(space.shape or ()))).any():
        raise StateError(f"driver/env/log/actions: expected actions of {space}, got others")


def equal_rows(row: TensorDict, stored: TensorDict) -> Tensor:
    """Where two rows agree in every leaf, bool [B]; NaN agrees with NaN."""
    equal = torch.ones(row.batch_size, dtype=torch.bool, device=row["reward"].device)
    for key, value in row.items(True, True):
        other = stored[key]
        same = (value == other) | ((value != value) & (other != other))
        equal &= same.flatten(1).all(1) if same.ndim > 1 else same
    return equal
