"""Updates per second of an agent, its draws from a replay included, beside the networks-only floor.

Both are measured in turn in one process, so that a machine whose speed drifts slows them alike.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.replay import ReplayAgent
from engram.agents.stored.loading import build_agent
from engram.benchmarks.options import DeviceOptions
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_ratio, medians, seconds_of
from engram.benchmarks.update_floors import NetworksOnly, has_floor
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Group, Packages, Seed
from engram.common.say import say
from engram.envs import Driver
from engram.training.building import build_env
from engram.training.faults import usage_errors

# What is chosen by name, and what it has in place of its file's.
GROUPS = {
    "defaults": [{"agent": "r2d2"}, {"core": "gru"}, {"env": "popgym/repeat_previous_easy"}, "_self_"],
    "core": {"hidden_size": 128},
}
REPLAY_BYTES = 50_000_000
COLUMNS = {
    "name": ("", 12, ""),
    "updates_per_second": ("updates/s", 12, ",.1f"),
    "milliseconds": ("ms", 10, ",.2f"),
}


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        agent: a group, chosen and changed as in `engram train`; all but the world models.
        core: likewise.
        env: likewise.
        seed: of parameters and episodes.
        num_envs: environments; null: 64, or 16 of agents with a replay.
        rows: stored per environment, where there is a replay.
        repeats: rounds measured; each is so many updates of each in a row; one more round warms up.
        updates: of a round.
        schedule_env_steps: environment steps of a whole training, for rates that fall.
        allow: packages of your own whose classes may be built.
    """

    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    num_envs: Count | None = None
    rows: Count = 2000
    repeats: Count = 5
    updates: Count = 5
    schedule_env_steps: Count = 1000000
    allow: Packages = ()


def measure(options: Options) -> dict[str, Any]:
    """Print updates per second, how long a draw from a replay takes, and the ratio to the floor; returns them."""
    with tempfile.TemporaryDirectory() as folder:
        with usage_errors():
            agent, driver = build(options)
        if isinstance(agent, ReplayAgent):
            fill(agent, driver, options.rows, Path(folder))
            calls = calls_of_replay(agent)
        else:
            rollout = driver.collect(agent.own_policy, agent.rollout_length)
            floor = NetworksOnly(agent, rollout.rows.reshape(-1, agent.carry_every))
            calls = {"engram": lambda: agent.update(rollout, 0), "floor": floor.learn}
        timers = {
            name: partial(seconds_of, call, agent.device, options.updates) for name, call in calls.items()
        }
        seconds = in_turn(timers, options.repeats, warm_up=1)
    table = Table(COLUMNS)
    for name, value in medians(seconds).items():
        table.add({"name": name, "updates_per_second": 1 / value, "milliseconds": 1e3 * value})
    ratio = median_ratio(seconds["engram"], seconds["floor"])
    say(f"time of an update and its draw, engram / floor: {ratio:.2f}")
    results = {line.pop("name"): line for line in table.lines}
    return {"results": results, "ratios": {"engram / floor": ratio}}


def build(options: Options) -> tuple[Agent, Driver]:
    """Build the agent, and the environments that it acts in.

    Raises:
        UsageError: for a world model.
    """
    config = dataclasses.asdict(options)
    if isinstance(options.agent.get("replay"), dict):
        replay = {**options.agent["replay"], "capacity_bytes": REPLAY_BYTES}
        config["agent"] = {**options.agent, "replay": replay}
    num_envs = options.num_envs or (16 if "replay" in options.agent else 64)
    env = build_env(config, num_envs)
    spaces = env.single_observation_space, env.single_action_space
    agent = build_agent(config, *spaces, options.device, options.allow)
    if not has_floor(agent):
        raise UsageError(
            f"This benchmark has floors for ppo, impala, a2c, pqn, r2d2 and sac, but got {type(agent).__name__}; "
            "world models are measured by `python -m engram.benchmarks world_model`."
        )
    driver = Driver(env, agent.carry_every)
    driver.start(options.seed, agent.initial_carry(num_envs))
    return agent, driver


def fill(agent: ReplayAgent, driver: Driver, rows: int, folder: Path) -> None:
    """Let the agent collect until so many rows of every environment are stored."""
    agent.open_files(folder, driver.row, is_new=True)
    while agent.replay.num_rows < max(rows, agent.replay.window_length):
        rollout = driver.collect(agent.own_policy, agent.rollout_length)
        agent.replay.extend(rollout.rows, rollout.carries)
        if agent.replay.ring.needs_checkpoint(agent.rollout_length):
            agent.run_state()
            agent.mark_saved()


def calls_of_replay(agent: ReplayAgent) -> dict[str, Callable[[], Any]]:
    """What is timed of an agent with a replay."""
    floor = NetworksOnly(agent, agent.replay.sample().rows.to(agent.device))
    return {
        "engram": lambda: agent.update(agent.replay.sample(), 0),
        "floor": floor.learn,
        "draw": agent.replay.sample,
    }
