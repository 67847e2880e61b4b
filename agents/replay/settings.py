"""The options of a replay, checked once, and the layout they give."""

from __future__ import annotations

from typing import Literal, get_args

from tensordict import TensorDictBase

from engram.agents.replay.batch import CarryFrom, ReplayAgent
from engram.agents.replay.layout import Column, Layout, carry_columns, plan_layout, row_columns
from engram.agents.replay.windows import Sampling
from engram.common.checked import settings
from engram.common.option_types import Count

PrefillPolicy = Literal["own", "random"]


@settings("a replay", "replay.")
class ReplaySettings:
    """Options of a replay.

    Args:
        capacity_bytes: limit of its files on the disk, all together; as many rows as fit are kept.
        prefill: environment steps before the first update.
        prefill_policy: who acts until then: the agent's `own` policy, or `random` actions.
        sampling: `uniform`, or by `recency`; see `engram.agents.replay.windows`.
        store_carry_every: rows between two stored carries, for agents whose windows begin with them.
        max_carry_bytes: largest stored carry.
        log_interval: environment steps between log lines, which hold the means since the line before.

    Raises:
        ValueError: for a value outside its range.
    """

    capacity_bytes: Count = 2_000_000_000
    prefill: Count = 10_000
    prefill_policy: PrefillPolicy = "own"
    sampling: Sampling = "uniform"
    store_carry_every: Count = 16
    max_carry_bytes: Count = 65_536
    log_interval: Count = 1_000

    def carry_every(self, agent: ReplayAgent) -> int:
        """Rows between two carries that the driver must hand out.

        Raises:
            ValueError: if rollouts and stored carries do not fall together.
        """
        carry_every, length = self.store_carry_every, agent.rollout_length
        if agent.carry_from == "initial":
            return length
        if carry_every % length and length % carry_every:
            raise ValueError(
                f"Stored carries must fall together with rollouts: expected replay.store_carry_every to be a divisor "
                f"or a multiple of the agent's rollout_length {length}, but got {carry_every}; change one of them."
            )
        return min(carry_every, length)

    def layout(self, agent: ReplayAgent, row: TensorDictBase) -> Layout:
        """Plan the files for an agent and its environments' rows.

        Args:
            agent: learns from the replay.
            row: the environments' pending row `[num_envs]`.

        Raises:
            ValueError: if the limits or the prefill are too small, or an option of the agent's is unknown.
        """
        if agent.carry_from not in get_args(CarryFrom):
            raise ValueError(
                f"carry_from must be one of {', '.join(get_args(CarryFrom))}, but got {agent.carry_from!r}; "
                "set agent.carry_from accordingly."
            )
        num_envs, window_length = row.batch_size[0], agent.burn_in + agent.batch_length
        if self.prefill < num_envs * window_length:
            raise ValueError(
                f"Before the first update every environment must have stored a window: expected replay.prefill >= "
                f"{num_envs} environments x {window_length} rows = {num_envs * window_length}, but got {self.prefill}; "
                "raise it or take shorter windows."
            )
        carries: tuple[Column, ...] = ()
        carry_every = 1
        if agent.carry_from == "stored":
            carry_every = self.store_carry_every
            stored = agent.stored_carry(agent.initial_carry(num_envs))
            carries = carry_columns(stored, carry_every, self.max_carry_bytes)
        return plan_layout(
            num_envs,
            row_columns(row),
            self.capacity_bytes,
            window_length=window_length,
            block_length=agent.rollout_length,
            carries=carries,
            carry_every=carry_every,
        )
