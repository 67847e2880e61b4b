"""PPO's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.on_policy.settings import OnPolicySettings
from engram.common.checked import settings
from engram.common.option_types import Fraction, NotNegative, Positive


@settings("PPO", "agent.")
class PPOSettings(OnPolicySettings):
    """Hyperparameters of PPO, beside those of `OnPolicySettings`.

    Args:
        gae_lambda: weight of longer returns in the advantages.
        clip_range: clip of the probability ratio.
        value_clip_range: clip of the value's change; None is off.
        value_coef: weight of the value loss.
        entropy_coef: weight of the entropy bonus.
        kl_coef: initial weight of an adaptive KL penalty; 0 is off.
        kl_target: divergence that the adaptive penalty aims at.
        normalize_advantage: over the valid rows of each `minibatch`, of the `rollout`, or `none`.

    Raises:
        ValueError: for a value outside its range.
    """

    gamma: Fraction = 0.95
    gae_lambda: Fraction = 0.9
    learning_rate: Positive = 2e-3
    learning_rate_schedule: Literal["constant", "linear"] = "linear"
    clip_range: Positive = 0.2
    value_clip_range: Positive | None = None
    value_coef: NotNegative = 0.5
    entropy_coef: NotNegative = 0.0
    kl_coef: NotNegative = 0.0
    kl_target: Positive = 0.01
    normalize_advantage: Literal["minibatch", "rollout", "none"] = "minibatch"
