"""How the samples of Gymnasium observation spaces become tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.spaces import NUMERIC, Path, fold, row_dtype, unsupported

ObservationConverter = Callable[[Any], Tensor | TensorDict]


def observation_converter(space: gs.Space[Any], num_envs: int, device: torch.device) -> ObservationConverter:
    """Build the function from a batched Gymnasium observation to tensors on `device`, always a copy.

    A leaf becomes a tensor of `engram.common.spaces.row_dtype`, Discrete [B] and others [B, *shape]. Dict becomes a
    nested TensorDict, Tuple one with the keys "0", "1", …; their parts of any other kind, such as Text, are left out,
    and an agent says so unless it is told to (`leaves.<key>=none`).

    Args:
        space: observation space of one environment.
        num_envs: B.
        device: of the result.

    Raises:
        ValueError: if the space, or every part of it, is of another kind.
    """

    def of_leaf(path: Path, leaf: gs.Space[Any]) -> ObservationConverter | None:
        return _leaf_converter(leaf, device) if isinstance(leaf, NUMERIC) else None

    def of_parts(
        path: Path, nested: gs.Space[Any], parts: dict[str, ObservationConverter | None]
    ) -> ObservationConverter | None:
        places = {key: int(key) if isinstance(nested, gs.Tuple) else key for key in parts}
        if isinstance(nested, gs.Dict):
            _check_keys(nested)
        converters = [(key, places[key], convert) for key, convert in parts.items() if convert is not None]
        if not converters:
            return None
        return lambda batch: TensorDict(
            {key: convert(batch[at]) for key, at, convert in converters}, batch_size=[num_envs]
        )

    converter = fold(space, of_leaf, of_parts)
    if converter is None:
        raise unsupported(space)
    return converter


def _check_keys(space: gs.Dict) -> None:
    for key in space.spaces:
        if not isinstance(key, str) or "." in key:
            raise ValueError(
                f"The keys of a Dict observation must be strings without dots, but one is {key!r}: rename it."
            )


def _leaf_converter(space: gs.Space[Any], device: torch.device) -> ObservationConverter:
    """Build the converter of a numeric leaf."""
    dtype = row_dtype(space)
    start = np.asarray(getattr(space, "start", 0), dtype=np.int64)
    if not start.any():
        return lambda batch: _copy(batch, dtype, device)
    first = torch.as_tensor(start)
    return lambda batch: (torch.from_numpy(np.asarray(batch, dtype=np.int64)) - first).to(device)


def _copy(batch: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copy an array that its owner will overwrite."""
    return torch.from_numpy(np.asarray(batch)).to(device=device, dtype=dtype, copy=True)
