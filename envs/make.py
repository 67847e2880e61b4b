"""From a Gymnasium id to one environment, or to one sentence that says why not."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import gymnasium
import torch

from envs.spaces import action_layout, action_mask_size, observation_converter
from envs.sub_env import SubEnv

# Where the name to install is not the name to import.
_PACKAGES = {"popgym": "popgym[navigation]", "ale_py": "ale-py"}


def make_sub_env(
    id: str,
    kwargs: dict[str, Any],
    max_episode_steps: int | None,
    render_mode: str | None,
    guard_global_random: bool,
    env_index: int,
) -> SubEnv:
    """Make one environment, check its spaces, and wrap it for a vector; arguments as for `GymnasiumEnv`.

    Raises:
        ValueError: if the id, a package, an option or a space will not do.
    """
    env = make_gymnasium(id, kwargs, max_episode_steps, render_mode)
    observation_converter(env.observation_space, 1, torch.device("cpu"))
    action_layout(env.action_space)
    return SubEnv(env, env_index, action_mask_size(env.action_space), guard_global_random)


def make_gymnasium(
    id: str,
    kwargs: dict[str, Any] | None = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
) -> gymnasium.Env[Any, Any]:
    """Call `gymnasium.make` without its checker and turn a user's mistake into a ValueError of one sentence.

    Args:
        id: registered id; `package:id` imports the package first.
        kwargs: options of the environment.
        max_episode_steps: truncate episodes after so many actions; None keeps the registered limit.
        render_mode: passed on only if given, because many environments do not take it.
    """
    module, _, name = id.rpartition(":")
    if module:
        import_package(module, f"environment id {id!r}")
    options = dict(kwargs or {})
    if render_mode is not None:
        options["render_mode"] = render_mode
    try:
        return gymnasium.make(name, max_episode_steps=max_episode_steps, disable_env_checker=True, **options)
    except gymnasium.error.DeprecatedEnv as error:
        raise ValueError(f"An environment id must be a current one, but got {name!r}: {error}") from error
    except gymnasium.error.UnregisteredEnv as error:
        nearest = difflib.get_close_matches(name, gymnasium.registry, n=3, cutoff=0.5)
        raise ValueError(
            f"An environment id must be registered with Gymnasium, but {name!r} is not: "
            + (f"did you mean {' or '.join(nearest)}?" if nearest else "put its package first, `package:id`.")
        ) from error
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        raise ValueError(f"Environment {name!r} needs a package that is not installed: {error}.") from error
    except TypeError as error:
        raise ValueError(
            f"The options of environment {name!r} must be arguments of its constructor, but with {options} "
            f"it says: {error}."
        ) from error


def import_package(module: str, user: str) -> None:
    """Import a module that registers environments; ValueError saying what to install if there is none.

    Args:
        module: name to import.
        user: what needs it, for the message.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        package = _PACKAGES.get(module.partition(".")[0], module.partition(".")[0])
        raise ValueError(
            f"The {user} needs the package {module!r}, which cannot be imported ({error}): "
            f"run pip install '{package}'."
        ) from error
