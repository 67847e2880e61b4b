"""Playing evaluation episodes with an agent."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from engram.agents.base import Agent
from engram.common.metric_names import STANDARD_ERROR, evaluation_key
from engram.common.rows import Act
from engram.envs import EvaluationResult, EvaluationStoppedError, VectorEnv, evaluate
from engram.envs.captured import CapturedPlay
from engram.envs.evaluation import mean_and_error


def evaluation_policy(agent: Agent, deterministic: bool) -> Act:
    """Make the policy of an evaluation: it takes the most likely action, or samples."""
    return functools.partial(agent.act, deterministic=deterministic, donate=True)


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
        **arguments: further arguments of `engram.envs.evaluate`.
    """
    act = evaluation_policy(agent, deterministic)
    carry = agent.initial_carry(env.num_envs, seed=seed)
    return evaluate(env, act, carry, episodes=episodes, seed=seed, **arguments)


def evaluated(
    agent: Agent,
    env: VectorEnv,
    options: Mapping[str, Any],
    seed: int,
    should_stop: Callable[[], bool] | None,
    captured: CapturedPlay | None,
) -> EvaluationResult | None:
    """Play an evaluation of a run.

    Args:
        agent: the policy.
        env: environments of the evaluation's own.
        options: `evaluation` of a run's configuration.
        seed: of the episodes and of the action noise.
        should_stop: asked before every step.
        captured: as of `engram.envs.evaluate`.

    Returns:
        Its episodes; None if it was cut short.
    """
    try:
        return play_episodes(
            agent,
            env,
            options["episodes"],
            options["deterministic"],
            seed,
            max_episode_steps=options["max_episode_steps"],
            should_stop=should_stop,
            captured=captured,
        )
    except EvaluationStoppedError:
        return None


def evaluation_metrics(result: EvaluationResult) -> dict[str, float]:
    """Return the means of an evaluation by the names of the log, and the standard error of the mean return."""
    means = {name: mean_and_error(values)[0] for name, values in result.episodes.items()}
    means[STANDARD_ERROR] = result.standard_error
    return {evaluation_key(name): value for name, value in means.items()}


def truncation_note(result: EvaluationResult, option: str, limit: int) -> str:
    """Say in one sentence how many episodes were truncated."""
    return (
        f"note: {result.num_truncated} of {len(result.returns)} evaluation episodes had not ended after {limit:,} "
        f"steps and count as truncated there; set {option}=<more>, or null for no limit."
    )
