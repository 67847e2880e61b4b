"""Who steps a run's environments: this process, or actors."""

from __future__ import annotations

from typing import Any

from engram.agents.base import Agent
from engram.common.ranks import Ranks
from engram.envs import Driver, VectorEnv
from engram.envs.given import GivenEnv
from engram.training.actors.described import DescribedEnvs, describe_envs
from engram.training.actors.driver import ActorDriver
from engram.training.actors.making import check_actors, check_agent, make_actor_driver, uses_actors
from engram.training.curriculum import Curriculum, training_env

AnyDriver = Driver | ActorDriver


def make_env(
    config: dict[str, Any], curriculum: Curriculum | None, given: GivenEnv | None, ranks: Ranks
) -> VectorEnv:
    """Make this process's environments of a run's training, or describe those of its actors.

    Raises:
        ValueError: if they cannot be made, or do not go with actors.
    """
    if not uses_actors(config):
        return training_env(config, curriculum, given, ranks)
    check_actors(config, ranks, given)
    return describe_envs(config)


def make_driver(
    config: dict[str, Any], agent: Agent, env: VectorEnv, ranks: Ranks, captures: bool
) -> AnyDriver:
    """Make what steps the environments of `make_env`.

    Args:
        config: of the run.
        agent: acts and learns.
        env: of `make_env`.
        ranks: the processes of the run.
        captures: record rollouts as CUDA graphs.

    Raises:
        ValueError: if the agent does not learn from actors' rows.
    """
    if not isinstance(env, DescribedEnvs):
        return Driver(env, agent.carry_every, captures, ranks)
    check_agent(config, agent)
    return make_actor_driver(config, agent, env)
