"""Environments that an agent can play, checked before anything is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium

from engram.agents.base import Agent
from engram.analysis.pictures import to_pictures
from engram.common.errors import UsageError
from engram.envs import VectorEnv
from engram.envs.given import GivenEnv
from engram.training.building import build_env
from engram.training.faults import usage_errors


def build_for(
    agent: Agent, config: dict[str, Any], num_envs: int, given: GivenEnv | None = None
) -> VectorEnv:
    """Build environments for an agent.

    Raises:
        UsageError: if they cannot be built, or have other spaces than the agent.
    """
    with usage_errors():
        env = build_env(config, num_envs, given=given)
    for name in ("observation_space", "action_space"):
        expected, got = getattr(agent, name), getattr(env, f"single_{name}")
        if expected != got:
            env.close()
            raise UsageError(
                f"An agent plays where observations and actions are those it was trained with: expected the "
                f"{name} {expected}, but got {got}; give other env arguments."
            )
    return env


def check_variants(
    agent: Agent,
    argument: str,
    values: Sequence[float],
    variants: Sequence[dict[str, Any]],
    are_given: bool,
    given: GivenEnv | None = None,
) -> None:
    """Refuse a probe that would break off, before anything is played."""
    for value, variant in zip(values, variants, strict=True):
        try:
            build_for(agent, variant, num_envs=1, given=given).close()
        except UsageError as error:
            if are_given:
                raise
            raise UsageError(
                f"A probe without probe.values tries {', '.join(map(str, values))}, but {argument}={value} cannot be "
                f"({str(error).rstrip('.')}); set probe.values=[…]."
            ) from error


def check_pictures(env: VectorEnv) -> None:
    """Refuse an environment that cannot draw, before anything is played."""
    env.reset(0)
    try:
        to_pictures(env.render(0))
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise UsageError(
            f"A video needs what the environment draws with, but {env.name} lacks a package "
            f"({' '.join(str(error).split())}); pip install -e '.[video]', or set video=false."
        ) from error
    except (ValueError, gymnasium.error.Error) as error:
        raise UsageError(
            f"A video needs a task that draws pictures, but {env.name} draws none that can be shown "
            f"({' '.join(str(error).split()).rstrip('.')}); leave video=true out."
        ) from error
