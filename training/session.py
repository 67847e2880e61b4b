"""The objects of one training run, built from its configuration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tensordict import TensorDict

from engram.agents.base import Agent
from engram.agents.stored.loading import build_agent, restore_agent
from engram.agents.stored.spaces import check_spaces
from engram.common.metric_names import RETURN
from engram.common.ranks import ALONE, Ranks
from engram.common.rows import Rollout
from engram.common.say import say
from engram.common.state_form import AtLeast
from engram.common.streams import stream_key
from engram.envs import Driver, VectorEnv
from engram.envs.captured import CapturedPlay, capture_play
from engram.envs.divided import part_of
from engram.envs.given import GivenEnv
from engram.run_files.checkpoint import load_latest, save_checkpoint
from engram.run_files.fixed_config import digest
from engram.run_files.metric_lines import NOTHING_LOGGED, LogMark
from engram.run_files.progress import Progress
from engram.run_files.run_folder import check_name, checkpoint_path
from engram.run_files.stored_state import check_stored
from engram.training.building import build_evaluation_env, check_device
from engram.training.capturing import capture
from engram.training.curriculum import Curriculum, at_value, check_stages, training_env
from engram.training.drivers import AnyDriver, make_driver, make_env
from engram.training.episodes import evaluated, evaluation_metrics, evaluation_policy, truncation_note
from engram.training.loop import train
from engram.training.lost_replay import begin_replay, check_replay
from engram.training.record import Record
from engram.training.restoring import check_acting, named, stored_form
from engram.training.schedule import Hooks, Metrics, Schedule
from engram.training.sharing import check_same, check_shared, own_options, whole_state


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
        ranks: the processes that train it; each has a session, and the leader's alone evaluates and writes.
    """

    config: dict[str, Any]
    agent: Agent
    driver: AnyDriver
    evaluation_env: VectorEnv | None
    progress: Progress
    captured_evaluation: CapturedPlay | None = None
    record: Record = field(default_factory=Record)
    counted: LogMark | None = None
    curriculum: Curriculum | None = None
    given: GivenEnv | None = None
    callbacks: dict[str, Any] = field(default_factory=dict)
    ranks: Ranks = ALONE
    _has_noted_truncation: bool = False

    @classmethod
    def build(cls, config: dict[str, Any], given: GivenEnv | None = None, ranks: Ranks = ALONE) -> Session:
        """Build a fresh run; nothing is written.

        Args:
            config: plain mapping.
            given: makes the environments, where they were given as an object or a function.
            ranks: the processes that train it.

        Raises:
            ValueError: for any option that cannot work.
        """
        check_shared(ranks, given)
        config = own_options(config, ranks)
        check_device(config["device"])
        curriculum = Curriculum.of(config.get("curriculum", {}))
        env = make_env(config, curriculum, given, ranks)
        if curriculum is not None:
            check_stages(curriculum, config, env, given)
        goal = config if curriculum is None else at_value(config, curriculum, curriculum.values[-1])
        evaluation_env = build_evaluation_env(goal, env, given) if ranks.is_leader else None
        agent = build_agent(
            config,
            env.single_observation_space,
            env.single_action_space,
            config["device"],
            config["allow"],
            env.box_action,
        )
        agent.join(ranks)
        agent.check_run(env.num_envs * ranks.count)
        is_captured = capture(config["capture"], agent, env, ranks)
        driver = make_driver(config, agent, env, ranks, is_captured)
        session = cls(config, agent, driver, evaluation_env, Progress(), curriculum=curriculum, given=given)
        session.ranks = ranks
        if is_captured and evaluation_env is not None:
            policy = evaluation_policy(agent, config["evaluation"]["deterministic"])
            session.captured_evaluation = capture_play(evaluation_env, policy)
        return session

    def start(self) -> None:
        """Begin the first episodes."""
        self.driver.start(self.config["seed"], self._initial_carry())
        self.agent.check_rows(self.driver.row)

    @property
    def _envs(self) -> slice:
        """Which of the run's environments this process has."""
        first = self.ranks.rank * self.driver.env.num_envs
        return slice(first, first + self.driver.env.num_envs)

    def _initial_carry(self) -> TensorDict:
        return self.agent.initial_carry(self.driver.env.num_envs, first_index=self._envs.start)

    def open_files(self, run_dir: Path, is_new: bool) -> None:
        """Make or open the agent's own files in the run's folder; errors as of `Trainable.open_files`."""
        self.agent.open_files(run_dir, self.driver.row, is_new)

    def resume(self, run_dir: Path, trust_edited: bool = False, loses_replay: bool = False) -> None:
        """Continue exactly where the last checkpoint stands.

        Args:
            run_dir: the run's folder.
            trust_edited: take a checkpoint that was copied over the latest, or saved with another configuration.
            loses_replay: all but the replay, which the policy fills as far as before the first update. Not exact.

        Raises:
            FileNotFoundError: if the run has no checkpoint.
            ValueError: if it is damaged or does not fit, or if its agent has no replay to lose.
        """
        check_spaces(run_dir, self.agent)
        if loses_replay:
            check_replay(self.agent)
        carry = self._initial_carry()
        used = path = checkpoint_path(run_dir, "latest")

        def check(state: dict[str, Any], path: Path) -> None:
            nonlocal used
            check_name(state, "latest", path, trust_edited)
            self._return_to_stage(state, path, trust_edited)
            if self.ranks.is_many and isinstance(state.get("driver"), dict):
                state["driver"] = part_of(state["driver"], self._envs)
            check_stored(state, path, stored_form(self.agent, self.driver, carry), self.config, trust_edited)
            used = path

        if not self.ranks.is_leader:
            self.ranks.share(None)  # a damaged file is set aside by one of them, before the others look
        state = load_latest(path, self.config["device"], set_aside=self.ranks.is_leader, check=check)
        if self.ranks.is_leader:
            self.ranks.share(None)
        restore_agent(self.agent, state, used)
        with named(used):
            self.driver.load_state_dict(state["driver"], carry)
            check_acting(self.agent, self.driver)
        self.progress = Progress(**state["progress"])
        self.counted = LogMark(**state["log"]) if "log" in state else None
        self.callbacks = state.get("callbacks", {})
        if "record" in state:
            self.record.load_state_dict(state["record"])
        if loses_replay:
            return begin_replay(self.agent, self.driver, self.record, run_dir)
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
            self.driver.close()
            self.driver.env = training_env(self.config, self.curriculum, self.given, self.ranks)

    def note_episodes(self, rollout: Rollout) -> None:
        """Let the curriculum know of the episodes that ended in a rollout, and the record of what actors tell."""
        for name, value in self.driver.measured.items():
            self.record.add(name, value)
        if self.curriculum is not None:
            self.curriculum.note(rollout.episodes.get(RETURN, []))

    def follow_curriculum(self) -> None:
        """Before a rollout: go on to the next stage if it is due; its episodes are of a seed of its own."""
        curriculum = self.curriculum
        if curriculum is None:
            return
        if curriculum.is_learnt():
            assert isinstance(self.driver, Driver)
            curriculum.go_on()
            self.driver.env.close()
            env = training_env(self.config, curriculum, self.given, self.ranks)
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

        All processes call it, and the leader writes what all of them have: the same, whatever their number.

        Args:
            run_dir: the run's folder.
            name: also kept in the checkpoint, so that one that was copied over another is noticed.
            logged: how much of the log is on the disk.
            callbacks: their states by name.
        """
        check_same(self.agent, self.ranks)
        driver = whole_state(self.driver, self.ranks)
        if self.ranks.is_leader:
            self._write(run_dir, name, driver, logged, callbacks or {})
        if name == "latest":
            self.ranks.share(None)  # it is on the disk
            self.agent.mark_saved()

    def _write(
        self, run_dir: Path, name: str, driver: dict[str, Any], logged: LogMark, callbacks: Mapping[str, Any]
    ) -> None:
        state: dict[str, Any] = {
            "name": name,
            "digest": digest(self.config),
            "agent": self.agent.state_dict(),
            "driver": driver,
            "progress": asdict(self.progress),
        }
        is_latest = name == "latest"  # the one that a run is continued from
        if is_latest:
            state["record"] = self.record.state_dict()
            state["log"] = logged._asdict()
            state["callbacks"] = dict(callbacks)
            if self.curriculum is not None:
                state["curriculum"] = self.curriculum.state_dict()
            state |= self.agent.run_state()
        save_checkpoint(checkpoint_path(run_dir, name), state, keep_previous=is_latest)

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
        played = self._evaluate(env_steps, should_stop) if self.ranks.is_leader else None
        return self.ranks.share(played)

    def _evaluate(self, env_steps: int, should_stop: Callable[[], bool] | None) -> Metrics | None:
        assert self.evaluation_env is not None
        seed = stream_key(self.config["seed"], "evaluation", env_steps)
        options, captured = self.config["evaluation"], self.captured_evaluation
        result = evaluated(self.agent, self.evaluation_env, options, seed, should_stop, captured)
        if result is None:
            return None
        if result.num_truncated and not self._has_noted_truncation:
            self._has_noted_truncation = True
            option = "evaluation.max_episode_steps"
            say(truncation_note(result, option, options["max_episode_steps"]), file=sys.stderr)
        return evaluation_metrics(result)

    def close(self) -> None:
        """Release the environments."""
        self.driver.close()
        if self.evaluation_env is not None:
            self.evaluation_env.close()
