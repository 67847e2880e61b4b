"""R2D2's hyperparameters, checked once."""

from __future__ import annotations

from typing import Literal

from engram.agents.auxiliary.settings import AuxiliarySettings
from engram.agents.replay.settings import PrioritizedReplaySettings, ReplayAgentSettings
from engram.common.checked import settings
from engram.common.option_types import Count, Fraction, Index, NotNegative, Positive, Rate


@settings("R2D2", "agent.")
class R2D2Settings(ReplayAgentSettings):
    """Hyperparameters of R2D2, beside those of `ReplayAgentSettings`.

    Args:
        gamma: discount per step.
        num_steps: rewards that a target sums before a value closes it; fewer at ends and cuts.
        rescaling: learn values on a scale on which large and small ones go together (`engram.agents.targets.rescale`).
        target_update_interval: updates between two of the target network.
        target_update_rate: share of the way that the target network then goes; 1 is a copy.
        epsilon: probability of a random action in the environment that explores most.
        epsilon_alpha: environment i of N has `epsilon` to the power of 1 + `epsilon_alpha` i / (N − 1).
        learning_rate: of Adam.
        adam_epsilon: of Adam. The published 1e-3 is for rewards near 1; where they are a hundredth, little moves.
        max_grad_norm: clip of the global gradient norm; None is off.
        auxiliary: the options of auxiliary losses; by default there is none.

    Raises:
        ValueError: for a value outside its range.
    """

    gamma: Fraction = 0.99
    num_steps: Count = 5
    rescaling: bool = True
    target_update_interval: Count = 1
    target_update_rate: Rate = 0.01
    epsilon: Fraction = 0.4
    epsilon_alpha: NotNegative = 7.0
    learning_rate: Positive = 5e-4
    adam_epsilon: Positive = 1e-8
    max_grad_norm: Positive | None = 10.0
    batch_size: Count = 32
    batch_length: Count = 40
    burn_in: Index = 20
    train_ratio: Positive = 16.0
    carry_from: Literal["initial", "stored"] = "stored"
    replay: PrioritizedReplaySettings = PrioritizedReplaySettings()
    auxiliary: AuxiliarySettings = AuxiliarySettings()

    def check(self) -> None:
        """Hold what depends on several options."""
        self.auxiliary.check_length(self.batch_length, self.burn_in)
