"""From a Gymnasium id to one environment, or to one sentence that says why not."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import torch

from engram.common.actions import action_layout
from engram.common.ids import import_package, malformed, not_registered
from engram.common.spaces import parts_of, walk
from engram.common.vector_env import VectorEnv
from engram.envs.corrections import corrected
from engram.envs.flat_actions import FlatActions, is_flat
from engram.envs.hashed_text import HashedText, Text, has_text
from engram.envs.named_wrappers import apply_wrappers
from engram.envs.resets import Resets
from engram.envs.spaces import observation_converter
from engram.envs.sub_env import SubEnv

_VECTOR_ONLY = (
    "An environment must be registered with an entry point of one environment, but {name!r} has only that of a vector "
    "(vector_entry_point), whose episodes cannot be seeded one by one: register its single environment, or write a "
    "VectorEnv of your own and take env=custom."
)


@dataclass(frozen=True)
class Around:
    """What is put around each environment; options of `GymnasiumEnv`."""

    wrappers: Sequence[Any] = ()
    text: Text = "drop"
    text_size: int = 64


def make_sub_env(
    id: str,
    kwargs: dict[str, Any],
    max_episode_steps: int | None,
    render_mode: str | None,
    resets: Resets,
    around: Around,
    env_index: int,
) -> SubEnv:
    """Make one environment, check its spaces, and wrap it for a vector; arguments as for `GymnasiumEnv`.

    Raises:
        ValueError: if the id, a package, an option or a space will not do.
    """
    env = make_gymnasium(id, kwargs, max_episode_steps, render_mode)
    return _as_sub_env(env, resets, around, env_index)


def wrap_given_env(
    make: Callable[[int], Any],
    kwargs: dict[str, Any],
    max_episode_steps: int | None,
    resets: Resets,
    around: Around,
    env_index: int,
) -> SubEnv:
    """Make one environment by a function of the user's own, check it, and wrap it for a vector.

    Args:
        make: of its number.
        kwargs: none can be given to it.
        max_episode_steps: truncate episodes after so many actions; None: not.
        resets: how it is reset.
        around: what is put around it.
        env_index: its number.

    Raises:
        ValueError: if what is made, an option or a space will not do.
    """
    if kwargs:
        raise ValueError(
            f"kwargs are of a registered id, but a function was given with {kwargs}; put them into the function."
        )
    env = make(env_index)
    if not isinstance(env, gymnasium.Env):
        raise ValueError(
            f"A function must make one gymnasium.Env, but made {env!r}; for a batch of Engram's own, let it take "
            "num_envs and device."
        )
    if max_episode_steps is not None:
        env = gymnasium.wrappers.TimeLimit(env, max_episode_steps)
    return _as_sub_env(env, resets, around, env_index)


def _as_sub_env(env: gymnasium.Env[Any, Any], resets: Resets, around: Around, env_index: int) -> SubEnv:
    """Wrap an environment for a vector, if its spaces will do."""
    env = apply_wrappers(env, around.wrappers)
    if around.text == "hash" and has_text(env.observation_space):
        env = HashedText(env, around.text_size)
    if not is_flat(env.action_space):
        env = FlatActions(env)
    _check_not_empty(env.observation_space)
    observation_converter(env.observation_space, 1, torch.device("cpu"))
    action_layout(env.action_space)
    return SubEnv(env, env_index, resets)


def make_gymnasium(
    id: str,
    kwargs: dict[str, Any] | None = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
) -> gymnasium.Env[Any, Any]:
    """Call `gymnasium.make` without its checker and turn a user's mistake into a ValueError of one sentence.

    A mistake inside the environment's own code is none of these and keeps its traceback.

    Args:
        id: registered id; `package:id` imports the package first.
        kwargs: options of the environment.
        max_episode_steps: truncate episodes after so many actions; None keeps the registered limit.
        render_mode: passed on only if given, because many environments do not take it.

    Raises:
        ValueError: if the id, a package or an option will not do.
    """
    if malformed(id):
        other = str(id).replace("-", "_", str(id).partition(":")[0].count("-"))
        meant = f"did you mean {other}?" if not malformed(other) else "give one."
        raise ValueError(
            f"An environment id must be a name such as 'CartPole-v1' or 'package:Name-v0', but it is {id!r}: {meant}"
        )
    module, _, name = id.rpartition(":")
    if module:
        import_package(module, f"environment id {id!r}")
    options = dict(kwargs or {})
    if render_mode is not None:
        options["render_mode"] = render_mode
    try:
        env = gymnasium.make(name, max_episode_steps=max_episode_steps, disable_env_checker=True, **options)
        return corrected(env)
    except gymnasium.error.DeprecatedEnv as error:
        raise ValueError(f"An environment id must be a current one, but got {name!r}: {error}") from error
    except gymnasium.error.UnregisteredEnv as error:
        raise ValueError(not_registered(name, module)) from error
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Environment {name!r} needs the package {error.name!r}, which is not installed: install it."
        ) from error
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        raise ValueError(
            f"Environment {name!r} needs a package that is not installed: {str(error).rstrip('.')}."
        ) from error
    except gymnasium.error.Error as error:
        if "entry_point" not in str(error):
            raise
        raise ValueError(_VECTOR_ONLY.format(name=name)) from error
    except TypeError as error:
        if _is_another_kind(error):
            raise ValueError(f"Environment {name!r} cannot be used: {error}") from error
        if not _is_about_options(error, options):
            raise
        said = str(error.__cause__ or error)
        raise ValueError(
            f"The options of environment {name!r} must be arguments of its constructor, but with {options} it says: "
            f"{said}."
        ) from error


def _is_another_kind(error: TypeError) -> bool:
    """Whether Gymnasium says that what was made is no environment of its own, but of the older Gym, say."""
    return str(error).startswith(("Gym is incompatible", "The environment must inherit"))


def _is_about_options(error: TypeError, options: dict[str, Any]) -> bool:
    """Whether a constructor refused its arguments; all else is a mistake in its own code."""
    cause = error.__cause__ or error
    named = re.search(r"unexpected keyword argument '(\w+)'", str(cause))
    if named is not None:
        return named.group(1) in options
    frames = traceback.extract_tb(cause.__traceback__)
    return bool(frames) and frames[-1].filename.endswith("registration.py")


def _check_not_empty(space: gymnasium.Space[Any]) -> None:
    """Refuse an observation in which there is nothing to see."""
    for _, part in walk(space):
        if parts_of(part) == {} or 0 in (part.shape or ()):
            raise ValueError(
                f"An observation space must hold one number or more in each of its parts, but got {part}: wrap the "
                "environment so that the empty part is left out."
            )


def check_vector_env(env: Any) -> None:
    """Refuse what is no VectorEnv: an object, or a class of them before one is made.

    Raises:
        ValueError: says how a class of Gymnasium's is taken instead.
    """
    kind = env if isinstance(env, type) else type(env)
    if issubclass(kind, VectorEnv) or (env is not kind and inspect.isroutine(env)):
        return
    name = f"{kind.__module__}.{kind.__name__}"
    module, register = kind.__module__, f"gymnasium.register('{kind.__name__}-v0', {kind.__name__})"
    if issubclass(kind, gymnasium.Env):
        hint = f"call {register} in {module} and take env=gymnasium env.id={module}:{kind.__name__}-v0"
    else:
        hint = "derive it from envs.VectorEnv, or take a Gymnasium environment by env=gymnasium env.id=<id>"
    raise ValueError(f"An environment here must be an envs.VectorEnv, but {name} is not: {hint}.")
