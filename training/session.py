"""The objects of one training run, built from its configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import build_agent, restore_agent
from engram.agents.stored.spaces import check_spaces
from engram.common.metric_names import RETURN, STANDARD_ERROR, evaluation_key
from engram.common.rows import Rollout
from engram.common.say import say
from engram.common.state_form import AtLeast
from engram.common.streams import stream_key
from engram.envs import Driver, EvaluationStoppedError, VectorEnv
from engram.envs.captured import CapturedPlay, capture_play
from engram.envs.evaluation import mean_and_error
from engram.envs.given import GivenEnv
from engram.run_files.checkpoint import load_latest, save_checkpoint
from engram.run_files.fixed_config import digest
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark
from engram.run_files.progress import Progress
from engram.run_files.run_folder import check_name, checkpoint_path
from engram.run_files.stored_state import check_stored
from engram.training.building import build_env, build_evaluation_env, check_device
from engram.training.capturing import capture
from engram.training.curriculum import Curriculum, check_stages
from engram.training.episodes import evaluation_policy, play_episodes, truncation_note
from engram.training.loop import train
from engram.training.record import Record
from engram.training.restoring import check_acting, named, stored_form
from engram.training.schedule import Hooks, Metrics, Schedule


@dataclass
class Session:
    """A run's agent, environments and progress, with the means to save and evaluate them.

    Attributes:
        config: plain mapping.
        agent: learns.
        driver: steps the training environments.
        evaluation_env: environments of the evaluation's own; None if there is no evaluation.
        progress: best and last evaluation.
        record: metrics that wait for the next log line.
        captured_evaluation: evaluations recorded; None if they are not.
        given: makes the environments, where they were given as an object or a function.
        counted: how much log the checkpoint counts on that the run is continued from; None if it does not say.
        curriculum: where the environment stands in its curriculum; None if there is none.
        callbacks: states of callbacks in the checkpoint that the run is continued from, by their names.
    """

    config: dict[str, Any]
    agent: Agent
    driver: Driver
    evaluation_env: VectorEnv | None
    progress: Progress
    captured_evaluation: CapturedPlay | None = None
    record: Record = field(default_factory=Record)
    counted: LogMark | None = None
    curriculum: Curriculum | None = None
    given: GivenEnv | None = None
    callbacks: dict[str, Any] = field(default_factory=dict)
    _has_noted_truncation: bool = False

    @classmethod
    def build(cls, config: dict[str, Any], given: GivenEnv | None = None) -> Session:
        """Build a fresh run; nothing is written.

        Args:
            config: plain mapping.
            given: makes the environments, where they were given as an object or a function.

        Raises:
            ValueError: for any option that cannot work.
        """
        check_device(config["device"])
        curriculum = Curriculum.of(config.get("curriculum", {}))
        env = _training_env(config, curriculum, given)
        if curriculum is not None:
            check_stages(curriculum, config, env, given)
        goal = config if curriculum is None else _at(config, curriculum, curriculum.values[-1])
        evaluation_env = build_evaluation_env(goal, env, given)
        agent = build_agent(
            config,
            env.single_observation_space,
            env.single_action_space,
            config["device"],
            config["allow"],
            env.box_action,
        )
        agent.check_run(env.num_envs)
        is_captured = capture(config["capture"], agent, env)
        driver = Driver(env, agent.carry_every, is_captured)
        session = cls(config, agent, driver, evaluation_env, Progress(), curriculum=curriculum, given=given)
        if is_captured and evaluation_env is not None:
            policy = evaluation_policy(agent, config["evaluation"]["deterministic"])
            session.captured_evaluation = capture_play(evaluation_env, policy)
        return session

    def start(self) -> None:
        """Begin the first episodes."""
        self.driver.start(self.config["seed"], self.agent.initial_carry(self.driver.env.num_envs))
        self.agent.check_rows(self.driver.row)

    def open_files(self, run_dir: Path, is_new: bool) -> None:
        """Make or open the agent's own files in the run's folder; errors as of `Trainable.open_files`."""
        self.agent.open_files(run_dir, self.driver.row, is_new)

    def resume(self, run_dir: Path, trust_edited: bool = False) -> None:
        """Continue exactly where the last checkpoint stands.

        Args:
            run_dir: the run's folder.
            trust_edited: take a checkpoint that was copied over the latest, or saved with another configuration.

        Raises:
            FileNotFoundError: if the run has no checkpoint.
            ValueError: if it is damaged or does not fit.
        """
        check_spaces(run_dir, self.agent)
        carry = self.agent.initial_carry(self.driver.env.num_envs)
        used = path = checkpoint_path(run_dir, "latest")

        def check(state: dict[str, Any], path: Path) -> None:
            nonlocal used
            check_name(state, "latest", path, trust_edited)
            self._return_to_stage(state, path, trust_edited)
            check_stored(state, path, stored_form(self.agent, self.driver, carry), self.config, trust_edited)
            used = path

        state = load_latest(path, self.config["device"], set_aside=True, check=check)
        restore_agent(self.agent, state, used)
        with named(used):
            self.driver.load_state_dict(state["driver"], carry)
            check_acting(self.agent, self.driver)
        self.progress = Progress(**state["progress"])
        self.counted = LogMark(**state["log"]) if "log" in state else None
        self.callbacks = state.get("callbacks", {})
        if "record" in state:
            self.record.load_state_dict(state["record"])
        self.open_files(run_dir, is_new=False)
        with named(used):
            self.agent.load_run_state(state)

    def _return_to_stage(self, state: dict[str, Any], path: Path, trust_edited: bool) -> None:
        """Build the environments of the stage that a checkpoint stands in, which the rest of it is for."""
        if self.curriculum is None:
            return
        form = AtLeast({"curriculum": self.curriculum.state_form()})
        check_stored(state, path, form, self.config, trust_edited)
        stage = self.curriculum.stage
        self.curriculum.load_state_dict(state["curriculum"])
        if self.curriculum.stage != stage:
            self.driver.env.close()
            self.driver.env = _training_env(self.config, self.curriculum, self.given)

    def note_episodes(self, rollout: Rollout) -> None:
        """Let the curriculum know of the episodes that ended in a rollout."""
        if self.curriculum is not None:
            self.curriculum.note(rollout.episodes.get(RETURN, []))

    def follow_curriculum(self) -> None:
        """Before a rollout: go on to the next stage if it is due; its episodes are of a seed of its own."""
        curriculum = self.curriculum
        if curriculum is None:
            return
        if curriculum.is_learnt():
            curriculum.go_on()
            self.driver.env.close()
            env = _training_env(self.config, curriculum, self.given)
            self.driver.change_env(env, stream_key(self.config["seed"], "curriculum", curriculum.stage))
            steps = self.driver.env_steps
            say(
                f"curriculum: {curriculum.argument}={curriculum.value} from step {steps:,} on",
                file=sys.stderr,
            )
        self.record.add("curriculum/stage", float(curriculum.stage))

    def save(
        self,
        run_dir: Path,
        name: str,
        logged: LogMark = NOTHING_LOGGED,
        callbacks: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the checkpoint `name`; `latest` keeps the one before it as well.

        Args:
            run_dir: the run's folder.
            name: also kept in the checkpoint, so that one that was copied over another is noticed.
            logged: how much of the log is on the disk.
            callbacks: their states by name.
        """
        state: dict[str, Any] = {
            "name": name,
            "digest": digest(self.config),
            "agent": self.agent.state_dict(),
            "driver": self.driver.state_dict(),
            "progress": asdict(self.progress),
        }
        is_latest = name == "latest"  # the one that a run is continued from
        if is_latest:
            state["record"] = self.record.state_dict()
            state["log"] = logged._asdict()
            state["callbacks"] = dict(callbacks or {})
            if self.curriculum is not None:
                state["curriculum"] = self.curriculum.state_dict()
            state |= self.agent.run_state()
        save_checkpoint(checkpoint_path(run_dir, name), state, keep_previous=is_latest)
        if is_latest:
            self.agent.mark_saved()

    def train(self, hooks: Hooks) -> bool:
        """Run the loop; returns whether it has come to its end."""
        config = self.config
        schedule = Schedule(
            total_env_steps=config["total_env_steps"],
            evaluation_interval=config["evaluation"]["interval"],
            checkpoint_interval=config["checkpoint"]["interval"],
            keep_interval=config["checkpoint"]["keep_interval"],
            stop_at_return=config["evaluation"]["stop_at_return"],
        )
        return train(self.agent, self.driver, hooks, self.progress, schedule, self.record)

    def evaluate(self, env_steps: int, should_stop: Callable[[], bool] | None = None) -> Metrics | None:
        """Play the evaluation episodes due at `env_steps`; returns None if `should_stop` cut them short."""
        assert self.evaluation_env is not None
        evaluation = self.config["evaluation"]
        limit = evaluation["max_episode_steps"]
        try:
            result = play_episodes(
                self.agent,
                self.evaluation_env,
                evaluation["episodes"],
                evaluation["deterministic"],
                stream_key(self.config["seed"], "evaluation", env_steps),
                max_episode_steps=limit,
                should_stop=should_stop,
                captured=self.captured_evaluation,
            )
        except EvaluationStoppedError:
            return None
        if result.num_truncated and not self._has_noted_truncation:
            self._has_noted_truncation = True
            say(truncation_note(result, "evaluation.max_episode_steps", limit), file=sys.stderr)
        means = {name: mean_and_error(values)[0] for name, values in result.episodes.items()}
        means[STANDARD_ERROR] = result.standard_error
        return {evaluation_key(name): value for name, value in means.items()}

    def close(self) -> None:
        """Release the environments."""
        self.driver.env.close()
        if self.evaluation_env is not None:
            self.evaluation_env.close()


def _training_env(config: dict[str, Any], curriculum: Curriculum | None, given: GivenEnv | None) -> VectorEnv:
    """Build the environments of a run's training, in the stage of its curriculum."""
    described = config if curriculum is None else _at(config, curriculum, curriculum.value)
    return build_env(described, config["num_envs"], given=given)


def _at(config: dict[str, Any], curriculum: Curriculum, value: Any) -> dict[str, Any]:
    """A configuration whose environment has a value of the curriculum's argument."""
    return {**config, "env": curriculum.put(config["env"], value)}
