"""How long a trained agent takes for one observation: a player's step beside `act` on rows, its floor, and a peer.

The peer is RecurrentPPO of sb3-contrib with an LSTM of the core's width and the same heads, in the same environment.
All are measured in turn in one process, so that a machine whose speed drifts slows them alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict

from engram.agents.base import Agent
from engram.agents.stored.loading import build_agent
from engram.benchmarks.options import BenchmarkOptions
from engram.benchmarks.peers import peer
from engram.benchmarks.player_floor import floor
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_ratio, seconds_of
from engram.common.checked import settings
from engram.common.option_types import Count, Group, Packages, Seed
from engram.envs.native import NativeVectorEnv
from engram.training.building import build_env
from engram.training.faults import usage_errors

# What is chosen by name, and what it has in place of its file's.
GROUPS = {
    "defaults": [{"agent": "ppo"}, {"core": "gru"}, {"env": "popgym/repeat_previous_easy"}, "_self_"],
}
COLUMNS = {
    "name": ("", 16, ""),
    "microseconds": ("us", 10, ",.0f"),
    "least_microseconds": ("least", 10, ",.0f"),
    "over_act": ("over act", 10, ",.2f"),
    "over_floor": ("over floor", 12, ",.2f"),
}
CPU = torch.device("cpu")


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark.

    Args:
        agent: a group, chosen and changed as in `engram train`.
        core: likewise.
        env: likewise.
        seed: of parameters and episodes.
        num_envs: observations at once.
        peer: beside sb3-contrib's RecurrentPPO, for one native environment.
        repeats: rounds measured, of which the median counts; five more warm up.
        steps: of a round.
        allow: packages of your own whose classes may be built.
    """

    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    num_envs: Count = 1
    peer: bool = True
    repeats: Count = 40
    steps: Count = 25
    allow: Packages = ()


def measure(options: Options) -> dict[str, Any]:
    """Print microseconds a step of everything, and how many times `act` and the floor it takes; returns them."""
    with usage_errors():
        config = {"schedule_env_steps": 1_000_000, "device": "cpu", **dataclasses.asdict(options)}
        env: Any = build_env(config, options.num_envs)
        spaces = env.single_observation_space, env.single_action_space
        agent = build_agent(config, *spaces, "cpu", options.allow, env.box_action)
    calls = {"act on rows": by_rows(agent, env), **by_player(agent, env)}
    if (bare := floor(agent)) is not None and options.num_envs == 1:
        calls["floor"] = bare
    if options.peer and options.num_envs == 1 and isinstance(env, NativeVectorEnv):
        calls["RecurrentPPO"] = by_peer(agent, env)
    timers = {name: partial(seconds_of, call, CPU, options.steps) for name, call in calls.items()}
    found = in_turn(timers, options.repeats, warm_up=5)
    table = Table(COLUMNS)
    for name, seconds in found.items():
        table.add(
            {
                "name": name,
                "microseconds": 1e6 * float(np.median(seconds)),
                "least_microseconds": 1e6 * min(seconds),
                "over_act": median_ratio(seconds, found["act on rows"]),
                "over_floor": median_ratio(seconds, found["floor"]) if "floor" in found else None,
            }
        )
    env.close()
    return {"results": table.lines}


def by_rows(agent: Agent, env: Any) -> Callable[[], Any]:
    """Make a row, act on it, and convert the action, as was needed before there were players."""
    row = env.reset(0)
    state: dict[str, Any] = {"carry": agent.initial_carry(env.num_envs), "prev_action": row["prev_action"]}
    never = torch.zeros(env.num_envs, dtype=torch.bool)

    def step() -> Any:
        made = {
            "obs": row["obs"].clone(),
            "reward": torch.zeros(env.num_envs),
            "prev_action": state["prev_action"],
            "is_first": never,
        }
        rows = TensorDict(made, batch_size=[env.num_envs])
        state["prev_action"], state["carry"], _ = agent.act(rows, state["carry"], True, donate=True)
        return agent.to_env(state["prev_action"])

    return step


def by_player(agent: Agent, env: Any) -> dict[str, Callable[[], Any]]:
    """The same by players, which take the most likely action or draw one."""
    observation = env.single_observation_space.sample()
    if env.num_envs > 1:
        observation = np.stack([observation] * env.num_envs)
    reward = np.zeros(env.num_envs)
    best, drawn = agent.player(env.num_envs), agent.player(env.num_envs)
    return {
        "player": lambda: best.act(observation, reward, deterministic=True),
        "player, drawn": lambda: drawn.act(observation, reward),
    }


def by_peer(agent: Agent, env: NativeVectorEnv) -> Callable[[], Any]:
    """The same by RecurrentPPO."""
    with peer("RecurrentPPO of sb3-contrib", "set peer=false"):
        from sb3_contrib import RecurrentPPO

        from engram.envs.sb3_env import SB3VecEnv
    width = agent.cores[0].output_size
    options = {
        "lstm_hidden_size": width,
        "net_arch": [128, 128],
        "enable_critic_lstm": False,
        "shared_lstm": True,
    }
    model = RecurrentPPO("MlpLstmPolicy", SB3VecEnv(env), policy_kwargs=options, n_steps=8, device="cpu")
    assert model.env is not None
    observation: Any = model.env.reset()
    state: dict[str, Any] = {"lstm": None}
    never = np.zeros(1, dtype=np.bool_)

    def step() -> Any:
        action, state["lstm"] = model.predict(observation, state["lstm"], never, deterministic=True)
        return action

    return step
