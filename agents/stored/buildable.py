"""The closed table of what a description may build of Engram: cores, agents, networks, encoders, environments.

The table is derived, not written: it holds the public classes that are derived from the bases below, and the public
factories of environments, wherever in Engram they are defined. `engram buildable` prints it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from engram.agents.base import Agent
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.q_network import QNetwork
from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.stored.names import OWN_PACKAGE, package_of, public_name
from engram.common.vector_env import VectorEnv
from engram.memory_cores import MemoryCore

_OFFERING = ("engram.agents", "engram.envs", "engram.memory_cores")
BASES: tuple[type, ...] = (MemoryCore, Agent, ActorCritic, QNetwork, SoftActorCritic, Encoder, VectorEnv)


def is_buildable(found: Any) -> bool:
    """Whether something belongs to the table."""
    if package_of(found) != OWN_PACKAGE or found.__name__.startswith("_"):
        return False
    if inspect.isclass(found):
        if ".".join(found.__module__.split(".")[:2]) not in _OFFERING:
            return False  # what another package derives for its own use
        return issubclass(found, BASES) and not inspect.isabstract(found)
    # An environment that has several implementations is made by a function, which its package offers to users.
    is_public = getattr(importlib.import_module("engram.envs"), found.__name__, None) is found
    return is_public and inspect.isfunction(found) and _returns_an_environment(found)


def find_own(target: str) -> Any:
    """Find what a name in Engram's own packages stands for, in the table alone.

    Args:
        target: `engram.package.Name`, or `engram.package.module.Name` with the module that defines or imports it.

    Raises:
        ValueError: if it is not in the table.
    """
    module_name, _, name = target.rpartition(".")
    module = _own_module(module_name, target)
    if module is not None and not hasattr(module, name):
        raise ValueError(
            f"A _target_ must exist, but {target!r} does not: {module.__name__} defines no {name!r}; correct the name."
        )
    found = getattr(module, name, None)
    if not (inspect.isclass(found) or inspect.isfunction(found)) or not is_buildable(found):
        raise ValueError(
            "A _target_ must name a core, agent, network, encoder or environment of Engram, but got "
            f"{target!r}; name one that `engram buildable` lists."
        )
    return found


def table() -> dict[str, Any]:
    """Everything that may be built, by the name that a description says."""
    for package in _OFFERING:
        importlib.import_module(package)
    envs = importlib.import_module("engram.envs")
    makers = [make for make in map(vars(envs).get, envs.__all__) if inspect.isfunction(make)]
    kinds = [kind for base in BASES for kind in _derived(base)]
    candidates: list[Any] = [*kinds, *makers]
    found = {name: one for one in candidates if is_buildable(one) and (name := public_name(one))}
    return dict(sorted(found.items()))


def _own_module(name: str, target: str) -> ModuleType | None:
    """One of the packages that offer something, or a module in it; None if there is no such module."""
    parts = name.split(".")
    if ".".join(parts[:2]) not in _OFFERING:
        return None
    if any(not part.isidentifier() or part.startswith("_") for part in parts):
        return None
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except ModuleNotFoundError:  # a part that is no package, or none at all
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"A _target_ must be one that can be imported, but {target!r} needs the package {error.name!r}, which is "
            "not installed: install it."
        ) from error


def _returns_an_environment(function: Any) -> bool:
    kind: Any = typing.get_type_hints(function).get("return")
    return inspect.isclass(kind) and issubclass(kind, VectorEnv)


def _derived(base: type) -> Iterator[type]:
    """A class, and all that are derived from it."""
    yield base
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        yield from _derived(kind)
