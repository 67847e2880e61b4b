"""Options of auxiliary losses, checked once."""

from __future__ import annotations

from typing import Literal

from engram.common.checked import require, settings
from engram.common.option_types import Count, Index, NotNegative, Rate

_PREFIX = "agent.auxiliary."


@settings("reconstruction", f"{_PREFIX}reconstruction.")
class ReconstructionSettings:
    """Options of `Reconstruction`.

    Args:
        coef: weight of the loss; 0 leaves it out.
        lag: the observation of so many rows ago is reconstructed, 0 is the row's own.
        image_loss: of pixels: `bce`, the cross-entropy of each as a probability, or `mse`, its squared error.
        units: width of the decoder's dense blocks, for all but images.
        num_layers: number of these blocks.
        image_depth: channels of the decoder's last convolution but one.

    Raises:
        ValueError: for a value outside its range.
    """

    coef: NotNegative = 0.0
    lag: Index = 0
    image_loss: Literal["bce", "mse"] = "bce"
    units: Count = 128
    num_layers: Count = 1
    image_depth: Count = 32


@settings("self_prediction", f"{_PREFIX}self_prediction.")
class SelfPredictionSettings:
    """Options of `SelfPrediction`.

    Args:
        coef: weight of the loss; 0 leaves it out.
        steps: memories up to so many rows ahead are predicted.
        distance: between prediction and target: `cosine`, 2 minus twice the cosine, or `l2`, the mean squared
            difference.
        target: what is predicted: the core's own output with a `stop_gradient`, or that of a core and encoder that
            are a moving average (`ema`) of the agent's, which costs a pass of their own.
        target_update_rate: share of the way that the moving average goes at every gradient step.
        units: width of the layer of the model that predicts.

    Raises:
        ValueError: for a value outside its range.
    """

    coef: NotNegative = 0.0
    steps: Count = 5
    distance: Literal["cosine", "l2"] = "cosine"
    target: Literal["stop_gradient", "ema"] = "stop_gradient"
    target_update_rate: Rate = 0.005
    units: Count = 128


@settings("auxiliary", _PREFIX)
class AuxiliarySettings:
    """The auxiliary losses of an agent, a group of options for each; any of them may be on together.

    Args:
        reconstruction: of observations.
        self_prediction: of the memory's future.

    Raises:
        ValueError: for a value outside its range.
    """

    reconstruction: ReconstructionSettings = ReconstructionSettings()
    self_prediction: SelfPredictionSettings = SelfPredictionSettings()

    def check_length(self, length: int, burn_in: int = 0) -> None:
        """Refuse losses that would have no row to be computed on.

        Args:
            length: rows of the sequences that are learnt from.
            burn_in: rows before them that a lagged observation may be of.

        Raises:
            OptionError: names the option.
        """
        past, future = self.reconstruction, self.self_prediction
        with_burn_in = " and their burn-in" if burn_in else ""
        for owner, coef, name, got, rows, which in (
            ("reconstruction", past.coef, "lag", past.lag, length + burn_in, with_burn_in),
            ("self_prediction", future.coef, "steps", future.steps, length, ""),
        ):
            expected = f"less than the {rows} rows of the agent's sequences{which}"
            require(not coef or got < rows, name, expected, got, owner, f"{_PREFIX}{owner}.")
