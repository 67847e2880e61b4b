"""Playing evaluation episodes with an agent."""

from __future__ import annotations

import functools
from typing import Any

from engram.agents.base import Agent
from engram.common.rows import Act
from engram.envs import EvaluationResult, VectorEnv, evaluate


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


def truncation_note(result: EvaluationResult, option: str, limit: int) -> str:
    """Say in one sentence how many episodes were truncated."""
    return (
        f"note: {result.num_truncated} of {len(result.returns)} evaluation episodes had not ended after {limit:,} "
        f"steps and count as truncated there; set {option}=<more>, or null for no limit."
    )
