"""Beginning the next episode of some environments of a native, for clients that reset within a step."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.actions import action_layout
from engram.envs.native import NativeVectorEnv


def begin_next(native: NativeVectorEnv, index: Tensor, starts: dict[str, Tensor] | None = None) -> TensorDict:
    """Begin the next episode of some environments, wherever they are, and leave the others as they stand.

    The episodes are those that the environments would have begun by themselves, but for `starts`. Only what
    begins is computed, and the host says which, so this is for clients that live there.

    Args:
        native: after its reset.
        index: which environments, int64 [k] without repetitions.
        starts: `seed`, `env_index` or `episode` of the episodes before these, int64 [k], instead of what they were;
            before an environment's first episode is number -1.

    Returns:
        The first rows, batch size [k].
    """
    assert native.state is not None and native._row is not None, "reset comes first"
    # What is to begin is stepped as if it had just ended; the action is ignored then.
    ended = native.state[index].set("is_last", torch.ones_like(index, dtype=torch.bool)).update(starts or {})
    shape, dtype = action_layout(native.single_action_space)
    action = torch.zeros(len(index), *shape, dtype=dtype, device=native.device)
    begun, row = native.step_fn(ended, action)
    native.set_state(_put(native.state, index, begun), _put(native._row, index, row))
    return row


def _put(whole: TensorDict, index: Tensor, part: TensorDict) -> TensorDict:
    """Return a copy of a TensorDict [B] with other values at some places."""
    placed: TensorDict = whole.apply(lambda old, new: old.index_copy(0, index, new), part)
    return placed
