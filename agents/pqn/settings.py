"""PQN's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.on_policy.settings import OnPolicySettings
from engram.common.checked import settings
from engram.common.option_types import Count, Fraction, Positive


@settings("PQN", "agent.")
class PQNSettings(OnPolicySettings):
    """Hyperparameters of PQN, beside those of `OnPolicySettings`.

    Args:
        gae_lambda: weight of longer returns.
        epsilon_start: probability of a random action at first.
        epsilon_end: the same from `epsilon_fraction` on.
        epsilon_fraction: of the budget in environment steps, over which it falls in a line.

    Raises:
        ValueError: for a value outside its range.
    """

    rollout_length: Count = 64
    num_epochs: Count = 4
    num_minibatches: Count = 8
    optimizer: Literal["adam", "radam", "muon"] = "radam"
    learning_rate: Positive = 5e-4
    gae_lambda: Fraction = 0.95
    epsilon_start: Fraction = 1.0
    epsilon_end: Fraction = 0.02
    epsilon_fraction: Fraction = 0.25
