"""Whether a run's options go with actors, and the driver that these ask for."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

from engram.agents.base import Agent
from engram.common.checked import require
from engram.common.ranks import Ranks
from engram.envs.given import GivenEnv
from engram.training.actors.actor import Seat
from engram.training.actors.described import DescribedEnvs
from engram.training.actors.driver import ActorDriver
from engram.training.actors.free import CREDITS, FreeDriver
from engram.training.actors.lockstep import LockstepDriver
from engram.training.actors.parameters import parameter_bytes
from engram.training.actors.ray_transport import RayTransport

_LAGS = {"lockstep": 1, "free": 4}
_DEFAULTS = {"count": 2, "mode": "lockstep", "lag": None, "address": None}


def uses_actors(config: Mapping[str, Any]) -> bool:
    """Whether actors step a run's environments.

    Raises:
        ValueError: if they do not, and an option of theirs is given.
    """
    if config.get("sampler", "local") == "ray":
        return True
    given = [name for name, value in config.get("actors", {}).items() if value != _DEFAULTS[name]]
    if given:
        raise ValueError(
            f"Actors step a run's environments with sampler=ray, but got actors.{given[0]} with sampler=local; add "
            "sampler=ray, or leave it out."
        )
    return False


def check_actors(config: Mapping[str, Any], ranks: Ranks, given: GivenEnv | None) -> None:
    """Refuse what does not go with actors, before anything is built.

    Raises:
        ValueError: names it, and says what to do.
    """
    options, num_envs = config["actors"], config["num_envs"]
    others = {
        "processes of torchrun": ranks.is_many,
        "an environment that was given as an object or a function": given is not None,
        "a curriculum": config.get("curriculum", {}).get("argument") is not None,
        "capture=true": config["capture"] is True,
        "profile=true": config.get("profile") is True,
    }
    for what, is_there in others.items():
        if is_there:
            raise ValueError(f"Actors (sampler=ray) do not go with {what}; leave one of both out.")
    count = options["count"]
    if num_envs % count:
        near = max(1, round(num_envs / count)) * count
        raise ValueError(
            f"All actors have as many environments: expected num_envs to be a multiple of actors.count={count}, but "
            f"got {num_envs}; set num_envs={near}."
        )
    if options["mode"] == "free":
        rule = "a whole number of at least 2 with actors.mode=free"
        require(lag_of(config) >= CREDITS, "lag", rule, options["lag"], prefix="actors.")
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "sampler=ray needs Ray, which is not installed; pip install -e '.[ray]', or set sampler=local."
        )


def check_agent(config: Mapping[str, Any], agent: Agent) -> None:
    """Refuse an agent that does not learn from such rows.

    Raises:
        ValueError: says why.
    """
    is_free = config["actors"]["mode"] == "free"
    reason = agent.why_no_actors(is_free or lag_of(config) > 0)
    if reason is None and is_free and not agent.learns_in_any_order:
        reason = "its replay holds as many rows of every environment; set actors.mode=lockstep"
    if reason is not None:
        raise ValueError(
            f"An agent must be one that learns from actors' rows, but this one is not ({reason}); or set sampler=local."
        )


def lag_of(config: Mapping[str, Any]) -> int:
    """How old rows are, in lockstep, or may be: by default 1, or 4."""
    options = config["actors"]
    return int(_LAGS[options["mode"]] if options["lag"] is None else options["lag"])


def make_actor_driver(config: dict[str, Any], agent: Agent, env: DescribedEnvs) -> ActorDriver:
    """Make the driver that a run's options ask for; its actors are started when it begins.

    Args:
        config: of the run.
        agent: learns.
        env: what the environments are.
    """
    options, lag = config["actors"], lag_of(config)
    seats = [Seat(config, index, options["count"], tuple(sys.path)) for index in range(options["count"])]
    needed = needed_bytes(agent, env, lag, options["mode"] == "free")
    make = functools.partial(RayTransport, options["address"], options["count"], needed)
    kind = FreeDriver if options["mode"] == "free" else LockstepDriver
    return kind(agent, env, seats, make, lag=lag)


def needed_bytes(agent: Agent, env: DescribedEnvs, lag: int, is_free: bool) -> int:
    """Estimate what is in flight at once: rollouts, the parameters of their versions, and states.

    Args:
        agent: learns.
        env: what the environments are.
        lag: of the rows.
        is_free: whether actors are free.
    """
    row = sum(leaf.nbytes for leaf in env.sample.values(True, True))
    carry = sum(leaf.nbytes for leaf in agent.initial_carry(1).values(True, True))
    of_policy = 4 * (agent.num_uniforms + 4)  # action, its log-probability, value and what else was chosen
    rows, carries = agent.rollout_length, -(-agent.rollout_length // agent.carry_every)
    rollout = env.num_envs * (rows * (row + of_policy) + (carries + 2) * (carry + row))
    rollouts = CREDITS + 1 if is_free else lag + 1
    return rollouts * rollout + (lag + 2) * len(parameter_bytes(agent))
