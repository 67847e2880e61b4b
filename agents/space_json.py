"""Gymnasium spaces as JSON, so that a run folder says what its agent reads and does."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium import spaces

Json = dict[str, Any]


class UnreadSpace(spaces.Space[Any]):
    """Stands for a space that no agent reads, such as Text: a leaf that was left out of the observation.

    Args:
        name: of the space's class; all that is kept of it. Equal to every space whose class has this name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __eq__(self, other: object) -> bool:
        return _class_name(other) == self.name

    def __repr__(self) -> str:
        return f"{self.name}(…)"


def space_to_json(space: spaces.Space) -> Json:
    """Describe a space by plain JSON values that lose nothing of it: order, dtypes, bounds, starts.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Box, or a Tuple or Dict of these. Of any other, which agents
            leave out, only the name of its class is kept.
    """
    if isinstance(space, spaces.Discrete):
        dtype = str(np.dtype(space.dtype))
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": dtype}
    if isinstance(space, spaces.MultiDiscrete):
        dtype = str(np.dtype(space.dtype))
        parts = {"nvec": space.nvec.tolist(), "start": space.start.tolist(), "dtype": dtype}
        return {"kind": "MultiDiscrete", **parts}
    if isinstance(space, spaces.MultiBinary):
        n: Any = space.n
        return {"kind": "MultiBinary", "n": [int(part) for part in n] if isinstance(n, Iterable) else int(n)}
    if isinstance(space, spaces.Box):
        low = _bound_to_json(space.low, space.bounded_below, "-inf")
        bounds = {"low": low, "high": _bound_to_json(space.high, space.bounded_above, "inf")}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, spaces.Tuple):
        return {"kind": "Tuple", "parts": [space_to_json(part) for part in space.spaces]}
    if isinstance(space, spaces.Dict):
        # Pairs, because readers of JSON need not keep the order of an object's keys.
        return {"kind": "Dict", "parts": [[key, space_to_json(part)] for key, part in space.spaces.items()]}
    return {"kind": "Unread", "name": _class_name(space)}


def space_from_json(description: Json) -> spaces.Space:
    """Make the space that `space_to_json` described, now or in the first format.

    The first format had no dtypes of Discrete and MultiDiscrete, which are int64 then, and a Dict's parts in an
    object, in the order in which they were trained with.

    Raises:
        ValueError: for an unknown kind.
    """
    kind = description["kind"]
    if kind == "Discrete":
        return spaces.Discrete(description["n"], start=description["start"], dtype=_integers(description))
    if kind == "MultiDiscrete":
        dtype = _integers(description)
        nvec, start = (np.array(description[name], dtype) for name in ("nvec", "start"))
        return spaces.MultiDiscrete(nvec, dtype=dtype, start=start)
    if kind == "MultiBinary":
        return spaces.MultiBinary(description["n"])
    if kind == "Box":
        return _box_from_json(description)
    if kind == "Tuple":
        return spaces.Tuple([space_from_json(part) for part in description["parts"]])
    if kind == "Dict":
        parts = description["parts"]
        pairs = parts.items() if isinstance(parts, dict) else parts
        # Pairs again: Gymnasium sorts a plain dict.
        return spaces.Dict([(key, space_from_json(part)) for key, part in pairs])
    if kind == "Unread":
        return UnreadSpace(description["name"])
    raise ValueError(
        f"A stored space is one that Engram wrote, but got the kind {kind!r}; the file is damaged."
    )


def _class_name(space: object) -> str:
    return space.name if isinstance(space, UnreadSpace) else type(space).__name__


def _integers(description: Json) -> Any:
    return np.dtype(description.get("dtype", "int64")).type


def _bound_to_json(bound: np.ndarray, is_bounded: np.ndarray, unbounded: str) -> Any:
    """A uniform bound (an image's, say) is one number; JSON's lack of infinity is met by strings.

    An integer Box without a bound holds its dtype's limit there, and `is_bounded` says that it is none.
    """
    flags = zip(bound.flat, is_bounded.flat, strict=True)
    texts = [repr(number.item()) if known else unbounded for number, known in flags]
    return texts[0] if len(set(texts)) == 1 else texts


def _box_from_json(description: Json) -> spaces.Box:
    shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
    below, above = (_texts(description[name], shape) for name in ("low", "high"))
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(np.float64)
    low = np.array([_number(text, dtype, limits.min) for text in below], dtype).reshape(shape)
    high = np.array([_number(text, dtype, limits.max) for text in above], dtype).reshape(shape)
    box = spaces.Box(low, high, shape=shape, dtype=dtype.type)
    box.bounded_below = np.array([text != "-inf" for text in below], np.bool_).reshape(shape)
    box.bounded_above = np.array([text != "inf" for text in above], np.bool_).reshape(shape)
    return box


def _texts(bound: str | list[str], shape: tuple[int, ...]) -> list[str]:
    return [bound] * math.prod(shape) if isinstance(bound, str) else bound


def _number(text: str, dtype: np.dtype, limit: Any) -> float | int | bool:
    """Read a number in its own kind: a float would round integers beyond 2^53."""
    if dtype.kind == "b":
        return text == "True"
    if dtype.kind in "iu":
        return limit if text in ("-inf", "inf") else int(text)
    return float(text)
