"""One exam: a world model of one configuration learns from a task and is examined in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import build_agent
from engram.agents.world_model import Dreamer
from engram.command_line.config import compose_config
from engram.command_line.options import ExamOptions
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.nested import dotted, merged
from engram.envs.native import NativeVectorEnv
from engram.instruments.exam.task import TaskExam
from engram.instruments.exam.tasks import exam_of
from engram.training.building import build_env, check_device

# What changes no result, or is not of one exam.
_NO_PART_OF_IT = ("device", "threads", "output", "allow", "trust_edited")


@dataclass(frozen=True)
class Exam:
    """What is examined, and how.

    Attributes:
        config: plain mapping, as for building agents and environments.
        choices: the chosen option of every config group.
        kind: of the task's exam.
    """

    config: dict[str, Any]
    choices: dict[str, str]
    kind: type[TaskExam]

    @classmethod
    def of(cls, words: Sequence[str]) -> Exam:
        """Read one exam's options, each with one value.

        Raises:
            UsageError: for a wrong option, or a task without an exam.
            ValueError: for a value that cannot work.
        """
        composed = compose_config("exam", words)
        config = check_options(composed.values, ExamOptions)
        check_device(config["device"])
        kind = exam_of(composed.choices["env"])
        if config["env"].get("backend", "native") != "native":
            raise UsageError(
                f"An exam is set for native tasks, but got env.backend={config['env']['backend']}; leave it out."
            )
        config["env"] = merged(kind.env_defaults, config["env"])
        config["schedule_env_steps"] = config["updates"]
        if "actor_reads" in config["agent"]:
            # The actor never acts; so that mlp, which carries nothing to be read, is examined as any other.
            config["agent"] = {**config["agent"], "actor_reads": ["h", "z"]}
        config["episodes"] = config["episodes"] or kind.num_episodes
        for name in ("episodes", "held_out"):
            if config[name] % config["num_envs"]:
                raise UsageError(
                    f"Episodes are played by all environments together, so that {name} must be a multiple of num_envs="
                    f"{config['num_envs']}, but got {config[name]}; set num_envs to a divisor of both."
                )
        return cls(config, composed.choices, kind)

    def env(self, num_envs: int, is_held_out: bool = False) -> NativeVectorEnv:
        """Build the environments to learn from, or those that are examined in."""
        config = self.config
        if is_held_out:
            config = {**config, "env": merged(config["env"], self.kind.held_out)}
        env = build_env(config, num_envs)
        assert isinstance(env, NativeVectorEnv), "every task with an exam is native"
        return env

    def build(self) -> tuple[Dreamer, TaskExam]:
        """Build the agent with fresh parameters, and the task's exam.

        Raises:
            UsageError: if the agent has no world model.
            ValueError: for an option that cannot work.
        """
        config, env = self.config, self.env(1)
        task_exam = self.kind(env)
        spaces = env.single_observation_space, env.single_action_space
        env.close()
        agent: Agent = build_agent(config, *spaces, config["device"], config["allow"])
        if not isinstance(agent, Dreamer):
            raise UsageError(
                f"An exam is for agents with a world model, r2i and dreamerv3, but got agent={self.choices['agent']}; "
                "choose one of these."
            )
        return agent, task_exam

    @functools.cached_property
    def asked(self) -> dict[str, Any]:
        """Everything that the result depends on, by dotted key."""
        return {
            key: value
            for key, value in dotted(self.config).items()
            if key.partition(".")[0] not in (*_NO_PART_OF_IT, "size")
        }
