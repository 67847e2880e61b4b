"""Training speed of recurrent PPO against the networks-only floor and sb3-contrib's RecurrentPPO.

All are measured in turn in one process, so that a machine whose speed drifts slows them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engram.agents.ppo.ppo import PPO
from engram.agents.stored.loading import build_agent
from engram.benchmarks.options import BenchmarkOptions
from engram.benchmarks.ppo_floor import NetworksOnly
from engram.benchmarks.timing import in_turn, now
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Group, Packages, Seed, Word
from engram.common.rows import Rollout
from engram.common.say import say
from engram.envs import Driver
from engram.scripts.faults.errors import usage_errors
from engram.training.building import build_env


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_ppo.yaml` says what they are for."""

    device: Word = "cpu"
    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    num_envs: Count = 64
    capture: bool = False
    iterations: Count = 5
    package: bool = True
    sb3: bool = True
    schedule_env_steps: Count = 1000000
    allow: Packages = ()


@dataclass(frozen=True)
class Iteration:
    """One rollout and update.

    Attributes:
        env_steps: real transitions; the rows that reset an episode are not counted.
        seconds: of every part.
    """

    env_steps: int
    seconds: dict[str, float]

    @property
    def seconds_per_step(self) -> float:
        """Time per real transition."""
        return sum(self.seconds.values()) / self.env_steps


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print steps per second of training, of the floor and of the peer, and their ratios; returns them."""
    if config["package"] and "backend" in config["env"]:
        config = config | {"env": config["env"] | {"backend": "package"}}
    with usage_errors():
        ours = OurTraining(config)
        floor = NetworksOnly(ours.agent, ours.collect())
        iterations: dict[str, Callable[[], Iteration]] = {
            "engram": ours.iterate,
            "floor": lambda: time_floor(floor),
        }
        if config["sb3"]:
            iterations["sb3-contrib"] = make_peer(config)
    in_turn(iterations, 1)  # warms up
    return report(in_turn(iterations, config["iterations"]))


class OurTraining:
    """Engram's own training, one rollout and update at a time."""

    def __init__(self, config: dict[str, Any]) -> None:
        env = build_env(config, config["num_envs"])
        agent = build_agent(
            config, env.single_observation_space, env.single_action_space, config["device"], config["allow"]
        )
        assert isinstance(agent, PPO)
        self.agent = agent
        self.driver = Driver(env, self.agent.carry_every, config["capture"])
        self.driver.start(config["seed"], self.agent.initial_carry(env.num_envs))

    def collect(self) -> Rollout:
        """Collect one rollout."""
        return self.driver.collect(self.agent.act, self.agent.rollout_length)

    def iterate(self) -> Iteration:
        """Collect and learn once; returns the seconds of both."""
        start, steps = time.perf_counter(), self.driver.env_steps
        rollout = self.collect()
        collected = now(self.agent.device)
        self.agent.update(rollout, 0)
        end = now(self.agent.device)
        return Iteration(
            self.driver.env_steps - steps, {"collect": collected - start, "update": end - collected}
        )


def time_floor(floor: NetworksOnly) -> Iteration:
    """Time the networks-only passes of one rollout and update."""
    start = time.perf_counter()
    floor.act()
    acted = now(floor.device)
    floor.learn()
    return Iteration(floor.env_steps, {"collect": acted - start, "update": now(floor.device) - acted})


def make_peer(config: dict[str, Any]) -> Callable[[], Iteration]:
    """Set up sb3-contrib with the same environments, rollout, epochs, minibatches and LSTM.

    Raises:
        UsageError: if it is not installed, or the task is not POPGym's.
    """
    try:
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError as error:
        raise UsageError(
            "The peer needs sb3-contrib, which is not installed; pip install -e '.[benchmark]', or sb3=false."
        ) from error
    import gymnasium

    from engram.envs.table import TASKS

    task = TASKS.get(config["env"].get("name"))
    if task is None or task.package is None:
        raise UsageError(f"The peer is measured on a POPGym task, but got {config['env']}; set sb3=false.")
    env_id = task.package.id
    agent, num_envs = config["agent"], config["num_envs"]
    batch_size = num_envs * agent["rollout_length"] // agent["num_minibatches"]
    model = RecurrentPPO(
        "MlpLstmPolicy",
        DummyVecEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * num_envs),
        n_steps=agent["rollout_length"],
        n_epochs=agent["num_epochs"],
        batch_size=batch_size,
        policy_kwargs={
            "lstm_hidden_size": config["core"]["hidden_size"],
            "shared_lstm": True,
            "enable_critic_lstm": False,
            "net_arch": {"pi": [128, 128], "vf": [128, 128]},
        },
        device=config["device"],
    )
    total = num_envs * agent["rollout_length"]

    def iterate() -> Iteration:
        start = time.perf_counter()
        model.learn(total, reset_num_timesteps=False)
        return Iteration(total, {"total": time.perf_counter() - start})

    return iterate


def report(measured: dict[str, list[Iteration]]) -> dict[str, Any]:
    """Print and return the medians and ratios.

    The ratios are of times per real transition, pair by pair, and their medians.
    """
    results: dict[str, Any] = {}
    say(f"{'':12}{'env steps/s':>12}   median seconds of an iteration")
    for name, parts in measured.items():
        steps_per_second = 1 / statistics.median(part.seconds_per_step for part in parts)
        seconds = {
            key: round(statistics.median(p.seconds[key] for p in parts), 4) for key in parts[0].seconds
        }
        say(f"{name:12}{steps_per_second:>12,.0f}   {seconds}")
        results[name] = {"env_steps_per_second": steps_per_second, "seconds": seconds}
    engram, floor = measured["engram"], measured["floor"]
    ratios = {
        f"engram / {name}": _median_ratio(engram, others, lambda part: part.seconds_per_step)
        for name, others in measured.items()
        if name != "engram"
    }
    ratios["engram update / floor update"] = _median_ratio(engram, floor, lambda part: part.seconds["update"])
    for name, ratio in ratios.items():
        say(f"time, {name}: {ratio:.2f}")
    return {"results": results, "ratios": ratios}


def _median_ratio(
    ours: list[Iteration], theirs: list[Iteration], figure: Callable[[Iteration], float]
) -> float:
    return statistics.median(figure(a) / figure(b) for a, b in zip(ours, theirs, strict=True))
