"""PPO's hyperparameters, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engram.agents.arguments import whole_number

Schedule = Literal["constant", "linear"]
Normalization = Literal["minibatch", "rollout", "none"]
Optimization = Literal["adam", "muon"]


@dataclass(frozen=True)
class PPOSettings:
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

    rollout_length: int = 128
    num_epochs: int = 4
    num_minibatches: int = 8
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    value_clip_range: float | None = None
    value_coef: float = 0.5
    entropy_coef: float = 0.0
    kl_coef: float = 0.0
    kl_target: float = 0.01
    max_grad_norm: float | None = 0.5
    optimizer: Optimization = "adam"
    learning_rate: float = 3e-4
    learning_rate_schedule: Schedule = "constant"
    adam_epsilon: float = 1e-5
    normalize_advantage: Normalization = "minibatch"
    bptt_length: int | None = None

    def __post_init__(self) -> None:
        for name in ("rollout_length", "num_epochs", "num_minibatches", "bptt_length"):
            value = whole_number(getattr(self, name))
            object.__setattr__(self, name, value)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            absent = name == "bptt_length" and value is None
            expected = "a whole number of at least 1" + (", or null" if name == "bptt_length" else "")
            self._require(name, expected, absent or whole)
        for name in ("gamma", "gae_lambda"):
            self._require(
                name, "a number from 0 to 1", self._is_number(name) and 0 <= getattr(self, name) <= 1
            )
        for name in ("clip_range", "learning_rate", "adam_epsilon", "kl_target"):
            self._require(name, "a number above 0", self._is_number(name) and getattr(self, name) > 0)
        for name in ("value_clip_range", "max_grad_norm"):
            absent = getattr(self, name) is None
            self._require(
                name,
                "a number above 0, or null",
                absent or (self._is_number(name) and getattr(self, name) > 0),
            )
        for name in ("value_coef", "entropy_coef", "kl_coef"):
            self._require(name, "a number of at least 0", self._is_number(name) and getattr(self, name) >= 0)
        for name, choices in (
            ("learning_rate_schedule", Schedule),
            ("normalize_advantage", Normalization),
            ("optimizer", Optimization),
        ):
            options = get_args(choices)
            self._require(name, f"one of {', '.join(options)}", getattr(self, name) in options)
        divides = self.bptt_length is None or self.rollout_length % self.bptt_length == 0
        self._require("bptt_length", f"a divisor of rollout_length ({self.rollout_length})", divides)

    def _is_number(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, int | float) and not isinstance(value, bool)

    def _require(self, name: str, expected: str, holds: bool) -> None:
        if not holds:
            raise ValueError(
                f"PPO's {name} must be {expected}, but got {getattr(self, name)!r}; set agent.{name} accordingly."
            )

    def scheduled_learning_rate(self, progress: float) -> float:
        """Learning rate at `progress`, the fraction of the schedule's horizon that has passed."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return self.learning_rate * max(0.0, 1.0 - progress)
