"""Gymnasium spaces as JSON, so that a run folder says what its agent reads and does."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

Json = dict[str, Any]


def space_to_json(space: spaces.Space) -> Json:
    """Describe a space by plain JSON values.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Box, or a Tuple or Dict of these.

    Raises:
        ValueError: for any other space.
    """
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": list(space.n) if isinstance(space.n, tuple) else int(space.n)}
    if isinstance(space, spaces.Box):
        bounds = {"low": _bound_to_json(space.low), "high": _bound_to_json(space.high)}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, spaces.Tuple):
        return {"kind": "Tuple", "parts": [space_to_json(part) for part in space.spaces]}
    if isinstance(space, spaces.Dict):
        return {"kind": "Dict", "parts": {key: space_to_json(part) for key, part in space.spaces.items()}}
    raise ValueError(
        f"A run stores Discrete, MultiDiscrete, MultiBinary, Box, Tuple and Dict spaces, but got {space}."
    )


def space_from_json(description: Json) -> spaces.Space:
    """Make the space that `space_to_json` described.

    Raises:
        ValueError: for an unknown kind.
    """
    kind = description["kind"]
    if kind == "Discrete":
        return spaces.Discrete(description["n"], start=description["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(np.array(description["nvec"]), start=np.array(description["start"]))
    if kind == "MultiBinary":
        return spaces.MultiBinary(description["n"])
    if kind == "Box":
        shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
        low, high = (_bound_from_json(description[name], shape, dtype) for name in ("low", "high"))
        return spaces.Box(low, high, dtype=dtype.type)
    if kind == "Tuple":
        return spaces.Tuple([space_from_json(part) for part in description["parts"]])
    if kind == "Dict":
        return spaces.Dict({key: space_from_json(part) for key, part in description["parts"].items()})
    raise ValueError(
        f"A stored space is one that Engram wrote, but got the kind {kind!r}; the file is damaged."
    )


def _bound_to_json(bound: np.ndarray) -> Any:
    """A uniform bound (an image's, say) is one number; JSON's lack of infinity is met by strings."""
    if bound.size and (bound == bound.flat[0]).all():
        return repr(bound.flat[0].item())
    return [repr(number.item()) for number in bound.flatten()]


def _bound_from_json(description: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if isinstance(description, str):
        return np.full(shape, float(description)).astype(dtype)
    return np.array([float(number) for number in description]).reshape(shape).astype(dtype)
