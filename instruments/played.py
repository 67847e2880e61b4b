"""Rows that an agent has played, which instruments look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict

from engram.agents.base import Agent
from engram.common.rows import stack_time
from engram.common.vector_env import VectorEnv
from engram.envs.finite import check_rollout


class Played(NamedTuple):
    """Rows in the order of time, from the beginning of an episode on.

    Attributes:
        rows: `[B, T]`, with the `action` that was taken.
        memory: of the agent before row 0, `[B]`.
    """

    rows: TensorDict
    memory: TensorDict


@torch.no_grad()
def play_rows(
    agent: Agent,
    env: VectorEnv,
    num_rows: int,
    seed: int = 1000,
    deterministic: bool = True,
    on_row: Callable[[], None] | None = None,
) -> Played:
    """Play rows in every environment, from a reset on.

    Args:
        agent: the policy.
        env: environments, which are reset.
        num_rows: T.
        seed: of the environments and of sampled actions.
        deterministic: take the most likely action.
        on_row: called when the environments stand at each row.

    Raises:
        FloatingPointError: if an observation or a reward is not a finite number.
    """
    carry = agent.initial_carry(env.num_envs, seed=seed)
    memory, row, rows = carry.clone(), env.reset(seed), []
    for _ in range(num_rows):
        if on_row is not None:
            on_row()
        action, carry, _ = agent.act(row, carry, deterministic)
        rows.append(row.clone().set("action", action))
        row = env.step_sampled(action)
    played = stack_time(rows)
    check_rollout(env, played, row)
    return Played(played, memory)
