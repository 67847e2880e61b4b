"""The objects of one training run, built from its configuration."""

from __future__ import annotations

import functools
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from agents.base import Agent
from agents.build import build
from agents.checkpoint import load_latest, save_checkpoint
from agents.loop import Metrics, Progress
from agents.random import stream_key
from agents.run_folder import build_agent, checkpoint_path, restore_agent
from envs import Driver, EvaluationResult, VectorEnv, evaluate


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        ValueError: says which devices there are.
    """
    available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device not in available and not (device == "cuda" and len(available) > 1):
        raise ValueError(
            f"The device must be one of {', '.join(available)}, but got {device!r}; set device=cpu."
        )


def build_env(config: dict[str, Any], num_envs: int) -> VectorEnv:
    """Build the environments that a configuration describes.

    Args:
        config: plain mapping with `env`, `device` and `allow`.
        num_envs: how many.
    """
    return build(config["env"], config["allow"])(num_envs=num_envs, device=config["device"])


def play_episodes(
    agent: Agent, env: VectorEnv, episodes: int, deterministic: bool, seed: int, **arguments: Any
) -> EvaluationResult:
    """Play evaluation episodes with an agent, each environment its fixed share of them.

    Args:
        agent: the policy.
        env: environments of the evaluation's own.
        episodes: how many in all.
        deterministic: take the most likely action.
        seed: of the episodes and of the action noise.
        **arguments: further arguments of `envs.evaluate`.
    """
    act = functools.partial(agent.act, deterministic=deterministic, donate=True)
    carry = agent.initial_carry(env.num_envs, seed=seed)
    return evaluate(env, act, carry, episodes=episodes, seed=seed, **arguments)


@dataclass
class Session:
    """A run's agent, environments and progress, with the means to save and evaluate them.

    Attributes:
        config: plain mapping.
        agent: learns.
        driver: steps the training environments.
        evaluation_env: environments of the evaluation's own; None if there is no evaluation.
        progress: best and last evaluation.
    """

    config: dict[str, Any]
    agent: Agent
    driver: Driver
    evaluation_env: VectorEnv | None
    progress: Progress

    @classmethod
    def build(cls, config: dict[str, Any]) -> Session:
        """Build a fresh run; nothing is written.

        Raises:
            ValueError: for any option that cannot work.
        """
        check_device(config["device"])
        env = build_env(config, config["num_envs"])
        evaluation = config["evaluation"]
        evaluation_env = build_env(config, evaluation["num_envs"]) if evaluation["every"] else None
        agent = build_agent(
            config, env.single_observation_space, env.single_action_space, config["device"], config["allow"]
        )
        agent.check_num_envs(env.num_envs)
        driver = Driver(env, agent.carry_every, config["capture"])
        return cls(config, agent, driver, evaluation_env, Progress())

    def start(self) -> None:
        """Begin the first episodes."""
        self.driver.start(self.config["seed"], self.agent.initial_carry(self.driver.env.num_envs))

    def resume(self, run_dir: Path) -> None:
        """Continue exactly where the last checkpoint stands.

        Raises:
            FileNotFoundError: if the run has no checkpoint.
            ValueError: if it is damaged or does not fit.
        """
        path = checkpoint_path(run_dir, "latest")
        state = load_latest(path, self.config["device"], set_aside=True)
        restore_agent(self.agent, state, path)
        self.driver.load_state_dict(state["driver"], self.agent.initial_carry(self.driver.env.num_envs))
        self.progress = Progress(**state["progress"])

    def save(self, run_dir: Path, name: str) -> None:
        """Write the checkpoint `name`; `latest` keeps the one before it as well."""
        state = {
            "agent": self.agent.state_dict(),
            "driver": self.driver.state_dict(),
            "progress": asdict(self.progress),
        }
        save_checkpoint(checkpoint_path(run_dir, name), state, keep_previous=name == "latest")

    def evaluate(self, env_steps: int) -> Metrics:
        """Play the evaluation episodes due at `env_steps`."""
        assert self.evaluation_env is not None
        evaluation = self.config["evaluation"]
        seed = stream_key(self.config["seed"], "evaluation", env_steps)
        result = play_episodes(
            self.agent, self.evaluation_env, evaluation["episodes"], evaluation["deterministic"], seed
        )
        return {
            "eval/episodic_return": result.mean,
            "eval/standard_error": result.standard_error,
            "eval/episodic_length": statistics.fmean(result.lengths),
        }

    def close(self) -> None:
        """Release the environments."""
        self.driver.env.close()
        if self.evaluation_env is not None:
            self.evaluation_env.close()
