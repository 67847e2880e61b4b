"""Options of agents that learn from whole rollouts, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.auxiliary.settings import AuxiliarySettings
from engram.agents.settings import AgentSettings
from engram.common.checked import require, settings
from engram.common.option_types import Count, Fraction, Positive


@settings("an agent", "agent.")
class OnPolicySettings(AgentSettings):
    """Hyperparameters of an agent that learns from every rollout in minibatches.

    Args:
        rollout_length: rows per environment between two updates.
        num_epochs: passes over each rollout.
        num_minibatches: gradient steps per pass; minibatches are drawn over sequences.
        bptt_length: learn on sequences of this many rows, from carries stored while acting; must divide
            `rollout_length`. None means whole rollouts.
        gamma: discount per step.
        max_grad_norm: clip of the global gradient norm; None is off.
        optimizer: `adam`, `radam`, or `muon` for matrices beside Adam for the rest.
        learning_rate: of the optimizer.
        adam_epsilon: of Adam and RAdam.
        auxiliary: the options of auxiliary losses; by default there is none.

    Raises:
        ValueError: for a value outside its range.
    """

    rollout_length: Count = 128
    num_epochs: Count = 4
    num_minibatches: Count = 8
    bptt_length: Count | None = None
    gamma: Fraction = 0.99
    max_grad_norm: Positive | None = 0.5
    optimizer: Literal["adam", "radam", "muon"] = "adam"
    learning_rate: Positive = 3e-4
    adam_epsilon: Positive = 1e-5
    auxiliary: AuxiliarySettings = AuxiliarySettings()

    @property
    def owner(self) -> str:
        """What the options belong to: PPO, where they are `PPOSettings`."""
        return type(self).__name__.removesuffix("Settings")

    def check(self) -> None:
        """Hold what depends on two options."""
        divides = self.bptt_length is None or self.rollout_length % self.bptt_length == 0
        expected = f"a divisor of rollout_length ({self.rollout_length})"
        require(divides, "bptt_length", expected, self.bptt_length, self.owner, "agent.")
        self.auxiliary.check_length(self.bptt_length or self.rollout_length)
