"""Training speed of recurrent PPO against the networks-only floor and sb3-contrib's RecurrentPPO.

All are measured in turn in one process, so that a machine whose speed drifts slows them alike.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engram.agents.ppo.ppo import PPO
from engram.agents.stored.loading import build_agent
from engram.benchmarks.options import DeviceOptions
from engram.benchmarks.peers import peer
from engram.benchmarks.ppo_floor import NetworksOnly
from engram.benchmarks.stopwatch import Stopwatch
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, median_parts, median_ratio, seconds_of
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Capture, Count, Group, Packages, Seed
from engram.common.rows import Rollout
from engram.common.say import say
from engram.envs import TASKS, Driver
from engram.training.building import build_env
from engram.training.capturing import capture
from engram.training.faults import usage_errors

# What is chosen by name, and what it has in place of its file's.
GROUPS = {
    "defaults": [{"agent": "ppo"}, {"core": "lstm"}, {"env": "popgym/repeat_previous_easy"}, "_self_"],
    "agent": {"rollout_length": 128, "num_epochs": 4, "num_minibatches": 8},
    "core": {"hidden_size": 256},
}
COLUMNS = {
    "name": ("", 12, ""),
    "env_steps_per_second": ("env steps/s", 12, ",.0f"),
    "seconds": ("median seconds of an iteration", 42, ""),
}


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        agent: a group, chosen and changed as in `engram train`.
        core: likewise.
        env: likewise.
        seed: of parameters and episodes.
        num_envs: environments that step at once.
        capture: rollouts and updates as CUDA graphs, as in `engram train`.
        iterations: measured ones of each, taken in turn; one more warms up.
        package: step POPGym's own environments, as the peer does; false: those of env.
        sb3: beside sb3-contrib's RecurrentPPO (needs the extra `benchmark`).
        schedule_env_steps: environment steps of a whole training, for rates that fall.
        allow: packages of your own whose classes may be built.
    """

    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    num_envs: Count = 64
    capture: Capture = "auto"
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


def measure(options: Options) -> dict[str, Any]:
    """Print steps per second of training, of the floor and of the peer, and their ratios; returns them."""
    if options.package and "backend" in options.env:
        options = dataclasses.replace(options, env={**options.env, "backend": "package"})
    with usage_errors():
        ours = OurTraining(options)
        floor = NetworksOnly(ours.agent, ours.collect())
        iterations: dict[str, Callable[[], Iteration]] = {
            "engram": ours.iterate,
            "floor": partial(time_floor, floor),
        }
        if options.sb3:
            iterations["sb3-contrib"] = make_peer(options)
    return report(in_turn(iterations, options.iterations, warm_up=1))


class OurTraining:
    """Engram's own training, one rollout and update at a time."""

    def __init__(self, options: Options) -> None:
        config = dataclasses.asdict(options)
        env = build_env(config, options.num_envs)
        spaces = env.single_observation_space, env.single_action_space
        agent = build_agent(config, *spaces, options.device, options.allow)
        assert isinstance(agent, PPO)
        self.agent = agent
        self.driver = Driver(env, agent.carry_every, capture(options.capture, agent, env))
        self.watch = Stopwatch(agent.device)
        self.driver.start(options.seed, self.agent.initial_carry(env.num_envs))

    def collect(self) -> Rollout:
        """Collect one rollout."""
        return self.driver.collect(self.agent.act, self.agent.rollout_length)

    def iterate(self) -> Iteration:
        """Collect and learn once; returns the seconds of both."""
        steps = self.driver.env_steps
        self.watch.start()
        rollout = self.collect()
        self.watch.lap("collect")
        self.agent.update(rollout, 0)
        return Iteration(self.driver.env_steps - steps, self.watch.stop("update"))


def time_floor(floor: NetworksOnly) -> Iteration:
    """Time the networks-only passes of one rollout and update."""
    watch = Stopwatch(floor.device)
    watch.start()
    floor.act()
    watch.lap("collect")
    floor.learn()
    return Iteration(floor.env_steps, watch.stop("update"))


def make_peer(options: Options) -> Callable[[], Iteration]:
    """Set up sb3-contrib with the same environments, rollout, epochs, minibatches and LSTM.

    Raises:
        UsageError: if it is not installed, or the task is not POPGym's.
    """
    with peer("sb3-contrib's RecurrentPPO", "set sb3=false"):
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.vec_env import DummyVecEnv
    import gymnasium

    task = TASKS.get(str(options.env.get("name")))
    if task is None or task.package is None:
        raise UsageError(f"The peer is measured on a POPGym task, but got {options.env}; set sb3=false.")
    make = partial(gymnasium.make, task.package.id, disable_env_checker=True)
    agent, num_envs = options.agent, options.num_envs
    total = num_envs * agent["rollout_length"]
    model = RecurrentPPO(
        "MlpLstmPolicy",
        DummyVecEnv([make] * num_envs),
        n_steps=agent["rollout_length"],
        n_epochs=agent["num_epochs"],
        batch_size=total // agent["num_minibatches"],
        policy_kwargs={
            "lstm_hidden_size": options.core["hidden_size"],
            "shared_lstm": True,
            "enable_critic_lstm": False,
            "net_arch": {"pi": [128, 128], "vf": [128, 128]},
        },
        device=options.device,
    )

    def iterate() -> Iteration:
        learn = partial(model.learn, total, reset_num_timesteps=False)
        return Iteration(total, {"total": seconds_of(learn, model.device)})

    return iterate


def report(measured: Mapping[str, Sequence[Iteration]]) -> dict[str, Any]:
    """Print and return the medians and ratios.

    The ratios are of times per real transition, pair by pair, and their medians.
    """
    table = Table(COLUMNS)
    per_step = {name: [part.seconds_per_step for part in parts] for name, parts in measured.items()}
    for name, parts in measured.items():
        seconds = {key: round(value, 4) for key, value in median_parts([p.seconds for p in parts]).items()}
        speed = 1 / statistics.median(per_step[name])
        table.add({"name": name, "env_steps_per_second": speed, "seconds": seconds})
    updates = {name: [part.seconds["update"] for part in measured[name]] for name in ("engram", "floor")}
    peers = [name for name in measured if name != "engram"]
    ratios = {f"engram / {name}": median_ratio(per_step["engram"], per_step[name]) for name in peers}
    ratios["engram update / floor update"] = median_ratio(updates["engram"], updates["floor"])
    for name, ratio in ratios.items():
        say(f"time, {name}: {ratio:.2f}")
    return {"results": {line.pop("name"): line for line in table.lines}, "ratios": ratios}
