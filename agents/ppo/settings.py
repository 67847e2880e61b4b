"""PPO's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.settings import AgentSettings
from engram.common.checked import require, settings
from engram.common.option_types import Count, Fraction, NotNegative, Positive


@settings("PPO", "agent.")
class PPOSettings(AgentSettings):
    """Hyperparameters of PPO.

    Args:
        rollout_length: rows per environment between two updates.
        num_epochs: passes over each rollout.
        num_minibatches: gradient steps per pass; minibatches are drawn over sequences.
        gamma: discount per step.
        gae_lambda: weight of longer returns in the advantages.
        clip_range: clip of the probability ratio.
        value_clip_range: clip of the value's change; None is off.
        value_coef: weight of the value loss.
        entropy_coef: weight of the entropy bonus.
        kl_coef: initial weight of an adaptive KL penalty; 0 is off.
        kl_target: divergence that the adaptive penalty aims at.
        max_grad_norm: clip of the global gradient norm; None is off.
        optimizer: `adam`, or `muon` for matrices beside Adam for the rest.
        learning_rate: of either.
        learning_rate_schedule: `constant`, or `linear` to 0 at the end of the schedule's horizon.
        adam_epsilon: of Adam.
        normalize_advantage: over the valid rows of each `minibatch`, of the `rollout`, or `none`.
        bptt_length: learn on sequences of this many rows, from carries stored while acting; must divide
            `rollout_length`. None means whole rollouts.

    Raises:
        ValueError: for a value outside its range.
    """

    rollout_length: Count = 128
    num_epochs: Count = 4
    num_minibatches: Count = 8
    gamma: Fraction = 0.99
    gae_lambda: Fraction = 0.95
    clip_range: Positive = 0.2
    value_clip_range: Positive | None = None
    value_coef: NotNegative = 0.5
    entropy_coef: NotNegative = 0.0
    kl_coef: NotNegative = 0.0
    kl_target: Positive = 0.01
    max_grad_norm: Positive | None = 0.5
    optimizer: Literal["adam", "muon"] = "adam"
    learning_rate: Positive = 3e-4
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    adam_epsilon: Positive = 1e-5
    normalize_advantage: Literal["minibatch", "rollout", "none"] = "minibatch"
    bptt_length: Count | None = None

    def check(self) -> None:
        """Hold what depends on two options."""
        divides = self.bptt_length is None or self.rollout_length % self.bptt_length == 0
        expected = f"a divisor of rollout_length ({self.rollout_length})"
        require(divides, "bptt_length", expected, self.bptt_length, "PPO", "agent.")

    def scheduled_learning_rate(self, progress: float) -> float:
        """Learning rate at `progress`, the fraction of the schedule's horizon that has passed."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return self.learning_rate * max(0.0, 1.0 - progress)
