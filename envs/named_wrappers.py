"""Wrappers of Gymnasium environments by their names, as a command says them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import gymnasium
import gymnasium.wrappers

from engram.common.wrapper_names import wrapper_parts

# Those of Gymnasium's that take plain values, write nothing, and keep nothing from one episode to the next: what they
# keep could not be repeated by a continued run.
GYMNASIUM_WRAPPERS = (
    "AddRenderObservation",
    "AddWhiteNoise",
    "AtariPreprocessing",
    "ClipAction",
    "ClipReward",
    "DelayObservation",
    "DiscretizeAction",
    "DiscretizeObservation",
    "DtypeObservation",
    "FilterObservation",
    "FlattenObservation",
    "FrameStackObservation",
    "GrayscaleObservation",
    "MaxAndSkipObservation",
    "ObstructView",
    "RepeatAction",
    "RescaleAction",
    "RescaleObservation",
    "ReshapeObservation",
    "ResizeObservation",
    "StickyAction",
    "TimeAwareObservation",
    "TimeLimit",
)


def apply_wrappers(env: gymnasium.Env[Any, Any], wrappers: Sequence[Any]) -> gymnasium.Env[Any, Any]:
    """Wrap an environment, the first wrapper innermost.

    Args:
        env: the environment.
        wrappers: entries as `wrapper_parts` reads them; a name without a dot is Gymnasium's.

    Raises:
        ValueError: if there is no such wrapper, or it refuses its options.
    """
    for given in wrappers:
        name, options = wrapper_parts(given)
        kind = _find(name)
        try:
            inspect.signature(kind).bind(env, **options)
        except TypeError as error:
            raise ValueError(
                f"The options of wrapper {name} must be arguments of it, but with {options} it says: {error}; correct "
                "them."
            ) from error
        try:
            env = kind(env, **options)
        except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
            raise ValueError(
                f"Wrapper {name} needs a package that is not installed: {error}; install it."
            ) from error
        except (AssertionError, ValueError, gymnasium.error.Error) as error:
            raise ValueError(
                f"Wrapper {name} must fit its environment, but does not fit {env}: {error}; give it other options, or "
                "leave it out."
            ) from error
    return env


def _find(name: str) -> Any:
    """The class of a wrapper."""
    module_name, _, own = name.rpartition(".")
    module_name = module_name or "gymnasium.wrappers"
    package = module_name.partition(".")[0]
    if package == "gymnasium":
        if module_name != "gymnasium.wrappers" or own not in GYMNASIUM_WRAPPERS:
            raise ValueError(
                f"A wrapper of Gymnasium's must be one of {', '.join(GYMNASIUM_WRAPPERS)}, but got {name!r}: take one "
                "of these, or name one of a package as package.module.Name."
            )
    try:
        found: Any = getattr(importlib.import_module(module_name), own, None)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"A wrapper must exist, but {name!r} cannot be found: there is no module {error.name!r}; correct the name, "
            "or install its package."
        ) from error
    if not _is_wrapper(found) or str(found.__module__).partition(".")[0] != package:
        raise ValueError(
            f"A wrapper must be a class derived from gymnasium.Wrapper that the package {package} defines, but "
            f"{name!r} is {found!r}; correct the name."
        )
    return found


def _is_wrapper(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, gymnasium.Wrapper)
