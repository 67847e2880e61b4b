"""The options of agents that learn from a replay, and those of the replay itself, checked once."""

from __future__ import annotations

from typing import Any, Literal

from engram.agents.settings import AgentSettings
from engram.common.checked import settings
from engram.common.option_types import Count, Fraction, Index, NotNegative, Positive


@settings("a replay", "agent.replay.")
class ReplaySettings:
    """Options of a replay.

    Args:
        capacity_bytes: limit of its files on the disk, all together; as many rows as fit are kept.
        prefill: environment steps before the first update.
        prefill_policy: who acts until then: the agent's `own` policy, or `random` actions.
        prefill_repeat: of `random` actions: chance of every row to keep the action before, so that a walk gets farther.
        sampling: windows, `uniform` or by `recency` (`engram.agents.replay.windows`), or `episodes`: whole ones, one
            after another (`engram.agents.replay.episodes`), which begin with the initial carry.
        rewarded_share: of `episodes`: chance of every draw to be one among those with a reward other than 0, for tasks
            that seldom pay; 0: all are drawn alike.
        store_carry_every: rows between two stored carries, for agents whose windows begin with them, and between the
            first rows of windows with priorities; None: about 16, as goes with the agent's rollouts.
        max_carry_bytes: largest stored carry.
        log_interval: environment steps between log lines, which hold the means since the line before.

    Raises:
        ValueError: for a value outside its range.
    """

    capacity_bytes: Count = 2_000_000_000
    prefill: Count = 10_000
    prefill_policy: Literal["own", "random"] = "own"
    prefill_repeat: Fraction = 0.0
    sampling: Literal["uniform", "recency", "episodes"] = "uniform"
    rewarded_share: Fraction = 0.0
    store_carry_every: Count | None = None
    max_carry_bytes: Count = 65_536
    log_interval: Count = 1_000

    def draws(self) -> dict[str, Any]:
        """The arguments of a `Replay` that say how it draws."""
        return {"sampling": self.sampling, "rewarded_share": self.rewarded_share}


@settings("a replay", "agent.replay.")
class PrioritizedReplaySettings(ReplaySettings):
    """Options of a replay that may draw by priorities.

    Args:
        sampling: also `prioritized` (`engram.agents.replay.priorities`).
        priority_exponent: α, of `prioritized`: a window is drawn in proportion to its priority to this power; 0: all
            alike.
        importance_exponent: β, of `prioritized`: its loss is weighed by its probability to the power of −β; 0: not.
        max_priority_weight: η, of `prioritized`: share of the largest error of a window in its priority, beside the
            mean.

    Raises:
        ValueError: for a value outside its range.
    """

    sampling: Literal["uniform", "recency", "prioritized", "episodes"] = "prioritized"  # type: ignore[assignment]
    priority_exponent: NotNegative = 0.9
    importance_exponent: Fraction = 0.6
    max_priority_weight: Fraction = 0.9

    def draws(self) -> dict[str, Any]:
        """See `ReplaySettings.draws`."""
        exponents = {
            "priority_exponent": self.priority_exponent,
            "importance_exponent": self.importance_exponent,
        }
        return super().draws() | exponents


@settings("an agent", "agent.")
class ReplayAgentSettings(AgentSettings):
    """Options of an agent that learns from a replay; those of one agent are derived from them.

    Args:
        batch_size: sequences per update.
        batch_length: rows of a sequence that count.
        train_ratio: replayed rows that count, per environment step.
        burn_in: rows before them that only warm up the memory.
        carry_from: sequences start from the `initial` carry, or the one `stored` with them.
        replay: the options of the replay.

    Raises:
        ValueError: for a value outside its range.
    """

    batch_size: Count = 16
    batch_length: Count = 64
    train_ratio: Positive = 64.0
    burn_in: Index = 0
    carry_from: Literal["initial", "stored"] = "initial"
    replay: ReplaySettings = ReplaySettings()

    @property
    def window_length(self) -> int:
        """Rows of a sequence, burn-in included."""
        return self.burn_in + self.batch_length

    @property
    def store_carry_every(self) -> int:
        """Rows between two carries to be stored."""
        return self.replay.store_carry_every or rows_between_carries(self.rollout_length)


def rows_between_carries(rollout_length: int, near: int = 16) -> int:
    """Choose how often carries are stored, so that they fall together with rollouts.

    Args:
        rollout_length: rows per environment that are collected at once.
        near: rows that would be best.

    Returns:
        The divisor or multiple of `rollout_length` that differs from `near` by the least factor, the smaller of two.
    """
    divisors = [rows for rows in range(1, rollout_length) if rollout_length % rows == 0]
    multiples = range(rollout_length, max(rollout_length, 2 * near) + 1, rollout_length)
    return min([*divisors, *multiples], key=lambda rows: max(rows / near, near / rows))
