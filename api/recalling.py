"""Playing for the instrument `recall`: episodes with a memory that is wiped, and at delays beyond training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensordict import TensorDict

from engram.agents.base import Agent
from engram.agents.replay.random_actions import RandomActions
from engram.api.playable import build_for, check_variants
from engram.api.probe import probe_values, with_argument
from engram.common.errors import UsageError
from engram.common.rows import Act
from engram.envs import EvaluationResult, evaluate
from engram.envs.given import GivenEnv
from engram.instruments.finding import Finding
from engram.instruments.recall import ForgetfulPolicy, RecallPoint, point_of
from engram.instruments.recall.curve import measure_of
from engram.instruments.recall_finding import find_recall
from engram.training.episodes import evaluation_policy


class Recall:
    """Plays an agent's episodes for `find_recall`.

    Args:
        agent: the policy.
        config: of its run, with the environment to be played in.
        trained_env: the environment's configuration in training.
        options: of the analysis.
        given: makes the environments, where they were given as an object or a function.
    """

    def __init__(
        self,
        agent: Agent,
        config: Mapping[str, Any],
        trained_env: dict[str, Any],
        options: Mapping[str, Any],
        given: GivenEnv | None,
    ) -> None:
        self.agent, self.config, self.trained_env = agent, dict(config), trained_env
        self.options, self.recall, self.given = options, options["recall"], given

    def find(self) -> Finding:
        """Play everything that the options ask for."""
        delays, trained = self._at_delays()
        chance = self._play(self.config["env"], None, is_random=True)
        kept = [
            point_of(count, self._play(self.config["env"], count), chance)
            for count in sorted(set(self.recall["kept"]))
        ]
        whole = self._play(self.config["env"], None)
        points = [*kept, point_of(None, whole, chance)]
        return find_recall(points, measure_of(whole), self.recall["argument"], trained, delays)

    def _at_delays(self) -> tuple[list[RecallPoint], float | None]:
        """Play at each value of the environment's argument."""
        argument, wanted = self.recall["argument"], self.recall["values"]
        if argument is None:
            return [], None
        env = self.config["env"]
        values, trained = probe_values(self.trained_env, env, argument, wanted)
        variants = [with_argument(env, argument, value) for value in values]
        configs = [{**self.config, "env": variant} for variant in variants]
        check_variants(self.agent, argument, values, configs, bool(wanted), self.given)
        points = [
            point_of(value, self._play(variant, None), self._play(variant, None, is_random=True))
            for value, variant in zip(values, variants, strict=True)
        ]
        return points, trained

    def _play(
        self, description: dict[str, Any], num_rows: int | None, is_random: bool = False
    ) -> EvaluationResult:
        """Play episodes; an agent that keeps `num_rows` rows sees no others."""
        options, count = self.options, min(self.recall["num_envs"], self.recall["episodes"])
        env = build_for(self.agent, {**self.config, "env": description}, count, self.given)
        act, carry = self._policy(env.num_envs, num_rows, is_random)
        try:
            return evaluate(
                env, act, carry, self.recall["episodes"], options["seed"], max_episode_steps=10_000
            )
        except FloatingPointError as error:
            raise UsageError(str(error)) from error
        finally:
            env.close()

    def _policy(self, num_envs: int, num_rows: int | None, is_random: bool) -> tuple[Act, TensorDict]:
        """A policy and its initial carry."""
        options = self.options
        if num_rows is not None:
            policy = ForgetfulPolicy(self.agent, num_rows, options["seed"], options["deterministic"])
            return policy, policy.initial_carry(num_envs)
        act = evaluation_policy(self.agent, options["deterministic"])
        carry = self.agent.initial_carry(num_envs, seed=options["seed"])
        if is_random:
            act = RandomActions(act, self.agent.action_space, options["seed"]).act_from(0)
        return act, carry
