"""Self-prediction: the memory foretells what it will hold."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor

from engram.agents.auxiliary.settings import SelfPredictionSettings
from engram.agents.auxiliary.window import AuxiliaryLoss, Network, Window, of_one_episode
from engram.agents.networks.features import action_feature_size, action_features
from engram.agents.networks.heads import Head
from engram.agents.networks.target_copy import follow, target_copy
from engram.common.zero_where import zero_unless
from engram.memory_cores import Resets


class SelfPrediction(AuxiliaryLoss):
    """Predict the core's output up to K rows ahead, from its output and the actions in between.

    A model steps from a row's output and action to the next row's, as often as it takes; no gradient goes into what it
    is held against, the agent's own core's output or that of a slow copy of core and encoder, which is run over the
    same rows from the same carry. The loss is the mean over all pairs of rows of one episode that are 1 … K apart and
    both count; an episode's last row is predicted, and nothing is from it.

    It logs `self_prediction_target_std`, the standard deviation of the targets over rows, its mean over units: where
    it falls to 0 the memory has come to say nothing, which it can predict.

    Args:
        settings: options.
        network: the agent's.
        action_space: single Gymnasium space.

    Source: Ni et al., "Bridging state and history representations", 2024; Schwarzer et al., "Data-efficient
    reinforcement learning with self-predictive representations", 2021, for several steps.
    """

    def __init__(
        self, settings: SelfPredictionSettings, network: Network, action_space: spaces.Space
    ) -> None:
        super().__init__()
        self.settings, self.action_space = settings, action_space
        size = network.core.output_size
        self.transition = Head(size + action_feature_size(action_space), (settings.units,), size)
        self.has_copy = settings.target == "ema"
        if self.has_copy:
            self.target_encoder, self.target_core = target_copy(network.encoder), target_copy(network.core)

    def forward(self, network: Network, window: Window) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxiliaryLoss.forward`."""
        rows = window.rows[:, window.burn_in :]
        target, length = self._targets(window), window.y.shape[1]
        action = action_features(self.action_space, rows["action"], 2)
        prediction, sums, counts = window.y, [], []
        for ahead in range(1, self.settings.steps + 1):
            begins = of_one_episode(rows["is_first"], ahead) & window.mask[:, : length - ahead]
            is_pair = begins & window.mask[:, ahead:]
            steps = torch.cat([prediction[:, : length - ahead], action[:, ahead - 1 : length - 1]], dim=-1)
            # What does not count is taken out before anything is computed of it, where it could be NaN.
            prediction = self.transition(zero_unless(begins.unsqueeze(-1), steps))
            held = zero_unless(is_pair.unsqueeze(-1), target[:, ahead:])
            off = distance(prediction, held, self.settings.distance)
            sums.append(zero_unless(is_pair, off).sum())
            counts.append(is_pair.sum())
        loss = torch.stack(sums).sum() / torch.stack(counts).sum().clamp(min=1)
        return loss, {"self_prediction_target_std": _deviation(target, window.mask)}

    @torch.no_grad()
    def follow(self, network: Network) -> None:
        """Move the slow copies."""
        if self.has_copy:
            follow(self.target_encoder, network.encoder, self.settings.target_update_rate)
            follow(self.target_core, network.core, self.settings.target_update_rate)

    @torch.no_grad()
    def _targets(self, window: Window) -> Tensor:
        """What is to be predicted, `[B, T', n]` in float32."""
        if not self.has_copy:
            return window.y.detach().float()
        rows = window.rows
        resets = Resets(rows["is_first"], window.host_is_first)
        y, _ = self.target_core(self.target_encoder(rows), window.carry["core"], resets)
        return y[:, window.burn_in :].float()


def distance(prediction: Tensor, target: Tensor, kind: str) -> Tensor:
    """How far predictions are off.

    Args:
        prediction: `[*, n]`.
        target: `[*, n]`.
        kind: `cosine`: 2 minus twice the cosine of the angle, which is the squared distance of the two brought to
            length 1; `l2`: the mean squared difference.

    Returns:
        `[*]`.
    """
    if kind == "cosine":
        return 2 - 2 * F.cosine_similarity(prediction, target, dim=-1)
    return (prediction - target).square().mean(-1)


def _deviation(y: Tensor, mask: Tensor) -> Tensor:
    """The standard deviation over the rows that count, its mean over units."""
    counted, count = mask.unsqueeze(-1), mask.sum().clamp(min=1)
    mean = zero_unless(counted, y).sum((0, 1)) / count
    return (zero_unless(counted, y - mean).square().sum((0, 1)) / count).sqrt().mean()
