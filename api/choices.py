"""What a call chooses: names, mappings, classes, and environments as objects or functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engram.agents.stored.describing import describe, packages_of
from engram.agents.stored.names import OWN_PACKAGE, package_of
from engram.command_line.as_words import CHOSEN, as_words, given_words
from engram.common.vector_env import VectorEnv
from engram.envs.given import GivenEnv, given_env


@dataclass(frozen=True)
class Choices:
    """What a call chooses.

    Attributes:
        words: of the command that means the same.
        given: makes the environments, where they were given as an object or a function.
    """

    words: list[str]
    given: GivenEnv | None = None


def read_choices(options: Mapping[str, Any], is_resumed: bool) -> Choices:
    """Read the options of a call.

    Args:
        options: by name; those that are None are left out.
        is_resumed: whether they are for a run that has its environment, which is then only given again.

    Raises:
        UsageError: for what cannot be chosen.
        ValueError: for what is no environment.
    """
    options = {name: value for name, value in options.items() if value is not None or name not in CHOSEN}
    for name in CHOSEN:
        if _is_describable(options.get(name), name):
            description = describe(options[name], name)
            description.pop("_partial_")
            options[name] = {"name": "custom", **description}
            if packages := packages_of(description):
                options["allow"] = [*options.get("allow", ()), *packages]
    env = options.get("env")
    if env is None or isinstance(env, str) or (isinstance(env, Mapping) and "make" not in env):
        return Choices(as_words(options))
    given = given_env(env)
    del options["env"]
    words = [] if is_resumed else [*given_words(given), *_sizes(given, options)]
    return Choices([*words, *as_words(options)], given)


def _is_describable(value: Any, name: str) -> bool:
    """Whether something is a class or partial of which a run holds what it is: of environments, Engram's own."""
    kind = value.func if isinstance(value, functools.partial) else value
    if name != "env":
        return inspect.isclass(kind) or inspect.isroutine(kind)
    return inspect.isclass(kind) and issubclass(kind, VectorEnv) and package_of(kind) == OWN_PACKAGE


def _sizes(given: GivenEnv, options: Mapping[str, Any]) -> list[str]:
    """As many environments as the object that was given has, where the call does not say how many."""
    if given.num_envs is None:
        return []
    evaluation = options.get("evaluation", {})
    is_told = "evaluation.num_envs" in options or "num_envs" in evaluation
    words = [] if "num_envs" in options else [f"num_envs={given.num_envs}"]
    return [*words, *([f"evaluation.num_envs={given.num_envs}"] if given.is_fixed and not is_told else [])]
