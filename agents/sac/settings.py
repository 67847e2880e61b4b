"""SAC's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.replay.settings import PrioritizedReplaySettings, ReplayAgentSettings
from engram.common.checked import require, settings
from engram.common.option_types import Count, Fraction, Index, Number, Positive, Rate


@settings("SAC", "agent.")
class SACSettings(ReplayAgentSettings):
    """Hyperparameters of SAC, beside those of `ReplayAgentSettings`.

    Args:
        gamma: discount per step.
        num_steps: rewards that a target sums before a value closes it; fewer at ends and cuts.
        reward_scale: factor of rewards, which are weighed against entropy.
        target_update_rate: share of the way that the target critic goes at every update.
        initial_temperature: weight of the entropy at first.
        learn_temperature: move it so that the entropy comes near its target; else it stays.
        max_temperature: it never grows beyond this.
        target_entropy: in nats; None: minus the number of actions for Box, and for Discrete as the next setting says.
        target_entropy_share: of the entropy that all allowed actions alike would have.
        learning_rate: of Adam.
        core_learning_rate: of the memory cores; None: the same.
        temperature_learning_rate: of the logarithm of the temperature; None: the same.
        adam_epsilon: of Adam.
        max_grad_norm: clip of the gradient norms of actor and critic; None is off.

    Raises:
        ValueError: for a value outside its range.
    """

    gamma: Fraction = 0.99
    num_steps: Count = 1
    reward_scale: Positive = 1.0
    target_update_rate: Rate = 0.005
    initial_temperature: Positive = 1.0
    learn_temperature: bool = True
    max_temperature: Positive = 10.0
    target_entropy: Number | None = None
    target_entropy_share: Fraction = 0.6
    learning_rate: Positive = 3e-4
    core_learning_rate: Positive | None = None
    temperature_learning_rate: Positive | None = None
    adam_epsilon: Positive = 1e-8
    max_grad_norm: Positive | None = None
    batch_size: Count = 32
    batch_length: Count = 48
    burn_in: Index = 16
    train_ratio: Positive = 128.0
    carry_from: Literal["initial", "stored"] = "stored"
    replay: PrioritizedReplaySettings = PrioritizedReplaySettings(prefill_policy="random", sampling="uniform")

    def check(self) -> None:
        """Hold the temperature against its limit, and windows against what a target needs."""
        require(
            self.batch_length >= 2,
            "batch_length",
            "at least 2, because the last row of a window is not learnt from",
            self.batch_length,
            "SAC",
            "agent.",
        )
        require(
            self.initial_temperature <= self.max_temperature,
            "initial_temperature",
            f"at most max_temperature={self.max_temperature:g}",
            self.initial_temperature,
            "SAC",
            "agent.",
        )
