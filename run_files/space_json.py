"""Gymnasium spaces as JSON, so that a run folder says what its agent reads and does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from gymnasium import spaces

from engram.common.spaces import Path, UnreadSpace, class_name, fold
from engram.common.state_form import (
    LARGEST,
    Anything,
    AtLeast,
    Kind,
    ListOf,
    MapOf,
    Maybe,
    StateError,
    Whole,
    check_like,
)

Json = dict[str, Any]
# No observation comes near these.
_MAX_DEPTH = 50
_MAX_SIZE = 1 << 26


def space_to_json(space: spaces.Space) -> Json:
    """Describe a space by plain JSON values that lose nothing of it: order, dtypes, bounds, starts.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary, Box, or a Tuple or Dict of these. Of any other, which agents
            leave out, only the name of its class is kept.
    """
    return fold(space, _leaf_to_json, _nested_to_json)


def _nested_to_json(path: Path, space: spaces.Space, parts: dict[str, Json]) -> Json:
    if isinstance(space, spaces.Tuple):
        return {"kind": "Tuple", "parts": list(parts.values())}
    # Pairs, because readers of JSON need not keep the order of an object's keys.
    return {"kind": "Dict", "parts": [[key, part] for key, part in parts.items()]}


def _leaf_to_json(path: Path, space: spaces.Space) -> Json:
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
    return {"kind": "Unread", "name": class_name(space)}


def space_from_json(description: Any, where: str = "space") -> spaces.Space:
    """Make the space that `space_to_json` described, now or in the first format.

    The first format had no dtypes of Discrete and MultiDiscrete, which are int64 then, and a Dict's parts in an
    object, in the order in which they were trained with.

    Args:
        description: what was read.
        where: what it is called in the file.

    Raises:
        StateError: a ValueError that names the place of what no space is made of.
    """
    return _space(description, where, 0)


def _space(description: Any, where: str, depth: int) -> spaces.Space:
    check_like(AtLeast({"kind": Kind(str)}), description, where)
    kind = description["kind"]
    if kind not in _FORMS or depth > _MAX_DEPTH:
        expected = (
            f"one of {', '.join(_FORMS)}" if depth <= _MAX_DEPTH else f"at most {_MAX_DEPTH} parts in parts"
        )
        raise StateError(f"{where}/kind: expected {expected}, got {kind[:40]!r}")
    parts = description.get("parts", None)
    is_first_format = kind == "Dict" and isinstance(parts, dict)
    form = {"parts": MapOf(Anything())} if is_first_format else _FORMS[kind]
    check_like({"kind": kind, **form}, description, where)
    if kind == "Tuple":
        return spaces.Tuple([_space(part, f"{where}/{index}", depth + 1) for index, part in enumerate(parts)])
    if kind == "Dict":
        pairs = list(parts.items()) if is_first_format else parts
        if len({key for key, _ in pairs}) != len(pairs):
            raise StateError(f"{where}/parts: expected every key once")
        # Pairs again: Gymnasium sorts a plain dict.
        return spaces.Dict([(key, _space(part, f"{where}/{key}", depth + 1)) for key, part in pairs])
    try:
        return _SIMPLE[kind](description)
    except (ValueError, TypeError, AssertionError, OverflowError) as error:
        text = " ".join(str(error).split())[:200] or "its numbers contradict each other"
        raise StateError(
            f"{where}: expected a {kind} that there can be, got one that cannot ({text})"
        ) from error


def _integers(description: Json) -> Any:
    dtype = np.dtype(description.get("dtype", "int64"))
    if dtype.kind not in "iu":
        raise ValueError(f"its dtype {dtype} holds no whole numbers")
    return dtype.type


def _discrete(description: Json) -> spaces.Space:
    n, start, dtype = description["n"], description["start"], _integers(description)
    if start + n - 1 > np.iinfo(dtype).max:
        raise ValueError(f"its numbers do not fit into {dtype.__name__}")
    return spaces.Discrete(n, start=start, dtype=dtype)


def _multi_discrete(description: Json) -> spaces.Space:
    dtype = _integers(description)
    given = [description[name] for name in ("nvec", "start")]
    if any(np.array(numbers).dtype.kind not in "iu" and np.size(numbers) for numbers in given):
        raise ValueError("it counts in whole numbers alone")
    nvec, start = (np.array(numbers, dtype) for numbers in given)
    return spaces.MultiDiscrete(nvec, dtype=dtype, start=start)


def _multi_binary(description: Json) -> spaces.Space:
    n = description["n"]
    check_like(ListOf(Whole(1)) if isinstance(n, list) else Whole(1), n, "n")
    if math.prod(n if isinstance(n, list) else [n]) > _MAX_SIZE:
        raise ValueError("it is too large")
    return spaces.MultiBinary(n)


def _bound_to_json(bound: np.ndarray, is_bounded: np.ndarray, unbounded: str) -> Any:
    """A uniform bound (an image's, say) is one number; JSON's lack of infinity is met by strings.

    An integer Box without a bound holds its dtype's limit there, and `is_bounded` says that it is none.
    """
    flags = zip(bound.flat, is_bounded.flat, strict=True)
    texts = [repr(number.item()) if known else unbounded for number, known in flags]
    return texts[0] if len(set(texts)) == 1 else texts


def _box(description: Json) -> spaces.Box:
    shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
    if dtype.kind not in "biuf" or math.prod(shape) > _MAX_SIZE:
        raise ValueError(f"{math.prod(shape)} numbers of {dtype}")
    below, above = (_texts(description[name], shape) for name in ("low", "high"))
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(np.float64)
    low = np.array([_number(text, dtype, limits.min) for text in below], dtype).reshape(shape)
    high = np.array([_number(text, dtype, limits.max) for text in above], dtype).reshape(shape)
    box = spaces.Box(low, high, shape=shape, dtype=dtype.type)
    box.bounded_below = np.array([text != "-inf" for text in below], np.bool_).reshape(shape)
    box.bounded_above = np.array([text != "inf" for text in above], np.bool_).reshape(shape)
    return box


def _texts(bound: str | list[str], shape: tuple[int, ...]) -> list[str]:
    check_like(ListOf(Kind(str)) if isinstance(bound, list) else Kind(str), bound, "low or high")
    return [bound] * math.prod(shape) if isinstance(bound, str) else bound


def _number(text: str, dtype: np.dtype, limit: Any) -> float | int | bool:
    """Read a number in its own kind: a float would round integers beyond 2^53."""
    if dtype.kind == "b":
        if text not in ("True", "False"):
            raise ValueError(f"a bound {text[:40]!r}")
        return text == "True"
    if dtype.kind in "iu":
        return limit if text in ("-inf", "inf") else int(text)
    number = float(text)
    if math.isnan(number):
        raise ValueError("a bound that is no number")
    return number


_COUNTS = {"dtype": Maybe(Kind(str))}
_FORMS: dict[str, dict[str, Any]] = {
    "Discrete": {"n": Whole(1), "start": Whole(-LARGEST - 1), **_COUNTS},
    "MultiDiscrete": {"nvec": ListOf(Anything()), "start": ListOf(Anything()), **_COUNTS},
    "MultiBinary": {"n": Anything()},
    "Box": {"shape": ListOf(Whole()), "dtype": Kind(str), "low": Anything(), "high": Anything()},
    "Tuple": {"parts": ListOf(Anything())},
    "Dict": {"parts": ListOf([Kind(str), Anything()])},
    "Unread": {"name": Kind(str)},
}
_SIMPLE: dict[str, Callable[[Json], spaces.Space]] = {
    "Discrete": _discrete,
    "MultiDiscrete": _multi_discrete,
    "MultiBinary": _multi_binary,
    "Box": _box,
    "Unread": lambda description: UnreadSpace(description["name"]),
}
