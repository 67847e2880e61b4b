"""Gymnasium's contract, held where an environment returns: what breaks it is one sentence, not a silent change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import gymnasium
import gymnasium.spaces as gs
import numpy as np

from engram.common.errors import EnvironmentFault
from engram.common.spaces import Path, fold, place

Conform = Callable[[Any], Any]


class StepCheck:
    """Holds what `reset` and `step` return against Gymnasium's contract and the observation space.

    Plain numbers of another type (a reward of numpy's, flags of 0 and 1, observations of another dtype that the
    space's can hold) are converted. Bounds of float Boxes are not looked at, since many environments overstep theirs.

    Args:
        env: the environment with its wrappers.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self._conform = observation_check(env.observation_space, f"An observation of {self._name}")

    def reset(self, result: Any) -> tuple[Any, dict[str, Any]]:
        """Return the observation, as one of the space, and the info; EnvironmentFault if there are none."""
        if not isinstance(result, (tuple, list)) or len(result) != 2 or not isinstance(result[1], dict):
            self._refuse("reset must return (observation, info)", _kinds(result))
        return self._conform(result[0]), result[1]

    def step(self, result: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return the five parts of a step, each of its own type; EnvironmentFault if one is not what it should be."""
        if not isinstance(result, (tuple, list)) or len(result) != 5:
            self._refuse(
                "step must return (observation, reward, terminated, truncated, info)", _kinds(result)
            )
        obs, reward, terminated, truncated, info = result
        if not isinstance(reward, (float, int)):
            reward = self._number(reward)
        if type(terminated) is not bool:
            terminated = self._flag("terminated", terminated)
        if type(truncated) is not bool:
            truncated = self._flag("truncated", truncated)
        if not isinstance(info, dict):
            self._refuse("info must be a dict", _kind(info))
        return self._conform(obs), reward, terminated, truncated, info

    def _number(self, reward: Any) -> float:
        if np.ndim(reward) != 0 or np.asarray(reward).dtype.kind not in "biuf":
            self._refuse("a reward must be one number", _kind(reward))
        return float(reward)

    def _flag(self, name: str, value: Any) -> bool:
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "biuf" or value not in (0, 1):
            self._refuse(f"{name} must be true or false", _kind(value))
        return bool(value)

    def _refuse(self, rule: str, got: str) -> NoReturn:
        raise EnvironmentFault(f"Of environment {self._name} {rule}, but got {got}: correct the environment.")


def observation_check(space: gs.Space[Any], name: str) -> Conform:
    """Build what returns an observation as one of `space`, with its shapes and dtypes.

    Args:
        space: an observation space; parts of it that no row holds may be anything.
        name: what the observation is, for messages.

    Returns:
        A function that raises EnvironmentFault for an observation of another shape, of a dtype whose values the
        space cannot hold, outside of a discrete space, or without a part of a Tuple or Dict.
    """
    return fold(
        space,
        lambda path, leaf: _leaf_check(leaf, _named(name, path)),
        lambda path, nested, checks: _nested_check(nested, _named(name, path), checks),
    )


def _named(name: str, path: Path) -> str:
    return f"{name}, part {place(path)}," if path else name


def _nested_check(space: gs.Space[Any], name: str, checks: dict[str, Conform]) -> Conform:
    def check_dict(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not checks.keys() <= value.keys():
            given = list(value) if isinstance(value, Mapping) else _kind(value)
            _refuse(name, f"be a dict with the keys {list(checks)}", str(given))
        return {key: conform(value[key]) for key, conform in checks.items()}

    def check_tuple(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)) or len(value) != len(checks):
            _refuse(name, f"be a tuple of {len(checks)} parts", _kinds(value))
        return tuple(conform(part) for conform, part in zip(checks.values(), value, strict=True))

    return check_dict if isinstance(space, gs.Dict) else check_tuple


def _leaf_check(space: gs.Space[Any], name: str) -> Conform:
    if isinstance(space, gs.Discrete):
        return _discrete_check(space, name)
    if isinstance(space, gs.Box):
        return _box_check(space, name)
    if isinstance(space, (gs.MultiDiscrete, gs.MultiBinary)):
        return _parts_check(space, name)
    return lambda value: value  # such as Text: no row holds it


def _discrete_check(space: gs.Discrete, name: str) -> Conform:
    low, high = int(space.start), int(space.start) + int(space.n)

    def check(value: Any) -> Any:
        is_whole = isinstance(value, (int, np.integer)) or (
            isinstance(value, np.ndarray) and value.dtype.kind in "biu"
        )
        if not is_whole or np.ndim(value) != 0:
            _refuse(name, f"be one whole number of {space}", _kind(value))
        if not low <= int(value) < high:
            _refuse(name, f"be in {space}, {low} to {high - 1}", str(int(value)))
        return int(value)

    return check


def _box_check(space: gs.Box, name: str) -> Conform:
    shape, dtype = space.shape, np.dtype(space.dtype)
    is_float = np.issubdtype(dtype, np.floating)
    whole: Any = None if is_float or dtype == np.bool_ else np.iinfo(dtype)
    least, most = (0, 1) if whole is None else (whole.min, whole.max)

    def check(value: Any) -> np.ndarray:
        if type(value) is np.ndarray and value.dtype == dtype and value.shape == shape:
            return value
        array = _array(value)
        if array.shape != shape or array.dtype.kind not in ("biuf" if is_float else "biu"):
            _refuse(name, f"be {dtype} of shape {shape}", _kind(value))
        if not is_float and array.size and not np.can_cast(array.dtype, dtype):
            if array.min() < least or array.max() > most:
                _refuse(
                    name, f"be {dtype}, {least} to {most}", f"{array.dtype}, {array.min()} to {array.max()}"
                )
        return array.astype(dtype)

    return check


def _parts_check(space: Any, name: str) -> Conform:
    """For MultiDiscrete and MultiBinary."""
    is_binary = isinstance(space, gs.MultiBinary)
    low = 0 if is_binary else np.asarray(space.start)
    high = 2 if is_binary else space.start + space.nvec

    def check(value: Any) -> np.ndarray:
        array = _array(value)
        if array.shape != space.shape or array.dtype.kind not in "biu":
            _refuse(name, f"be whole numbers of shape {space.shape}", _kind(value))
        if ((array < low) | (array >= high)).any():
            _refuse(name, f"be in {space}", str(array.tolist()))
        return array.astype(space.dtype, copy=False)

    return check


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # parts of different lengths
        return np.asarray(None)


def _refuse(name: str, rule: str, got: str) -> NoReturn:
    raise EnvironmentFault(f"{name} must {rule}, but got {got}: correct the environment or its space.")


def _kind(value: Any) -> str:
    """What a value is, in few words."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"{type(value).__name__} {value!r}"[:80]


def _kinds(value: Any) -> str:
    """What a value is, and if it is a tuple what its parts are."""
    if isinstance(value, (tuple, list)):
        return f"{len(value)} parts, ({', '.join(type(part).__name__ for part in value)})"
    return _kind(value)
