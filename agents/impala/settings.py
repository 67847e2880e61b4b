"""IMPALA's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.on_policy.settings import OnPolicySettings
from engram.common.checked import require, settings
from engram.common.option_types import Count, Fraction, NotNegative, Positive


@settings("IMPALA", "agent.")
class IMPALASettings(OnPolicySettings):
    """Hyperparameters of IMPALA, beside those of `OnPolicySettings`.

    Args:
        correction: `vtrace` weighs what an earlier policy did by clipped ratios; `none` takes it as the present one's,
            which is A2C and right in the first gradient step on a rollout alone.
        gae_lambda: weight of longer returns.
        rho_bar: bound of the ratio on a step, which says whose values are learnt.
        c_bar: bound of the ratio along a trace.
        policy_rho_bar: bound of the ratio in the advantage.
        value_coef: weight of the value loss, half a squared error.
        entropy_coef: weight of the entropy bonus.
        normalize_advantage: over the valid rows of each `minibatch`, or `none`.

    Raises:
        ValueError: for a value outside its range.
    """

    rollout_length: Count = 64
    num_epochs: Count = 1
    num_minibatches: Count = 4
    learning_rate: Positive = 5e-4
    correction: Literal["vtrace", "none"] = "vtrace"
    gae_lambda: Fraction = 1.0
    rho_bar: Positive = 1.0
    c_bar: Positive = 1.0
    policy_rho_bar: Positive = 1.0
    value_coef: NotNegative = 0.5
    entropy_coef: NotNegative = 0.01
    normalize_advantage: Literal["minibatch", "none"] = "none"

    def check(self) -> None:
        """Hold what depends on two options."""
        super().check()
        expected = f"at most rho_bar ({self.rho_bar:g})"
        require(self.c_bar <= self.rho_bar, "c_bar", expected, self.c_bar, self.owner, "agent.")
