"""Reconstruction: the memory tells what was seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engram.agents.auxiliary.settings import ReconstructionSettings
from engram.agents.auxiliary.window import AuxiliaryLoss, Network, Window, of_one_episode
from engram.agents.networks.leaves import Leaf
from engram.agents.returns import masked_mean
from engram.agents.world_model.decoder import LeafDecoder, element_losses, is_binary
from engram.common.zero_where import zero_unless


class Reconstruction(AuxiliaryLoss):
    """Reconstruct the observation of every row, or of the one `lag` rows ago, from the core's output.

    Every part of the observation that the agent reads is decoded: images, by their cross-entropy or squared error per
    pixel, categories and bits by their cross-entropy, vectors by their squared error, as the agent reads them, that
    is normalised where it normalises. The loss is the mean over the numbers of a part, over parts, and over rows, so
    that its weight does not depend on the sizes of any. An episode's last row is reconstructed too; rows of an
    episode that began, or of a sequence that begins, less than `lag` rows ago are not.

    With a lag of 0 a memory is taught what it sees, with a larger one what it has seen. It logs `reconstruction_share`,
    how many of the rows that count have one so long ago: where there is none, the loss is 0 and nothing is learnt.

    Args:
        settings: options.
        network: the agent's.

    Raises:
        ValueError: for an image without bounds.

    Source: Pleines et al., "Memory Gym", 2023, for the loss without lag.
    """

    def __init__(self, settings: ReconstructionSettings, network: Network) -> None:
        super().__init__()
        self.settings = settings
        observation = network.encoder.observation
        self.decoder = LeafDecoder(
            [*observation.flat, *observation.images],
            network.core.output_size,
            settings.units,
            settings.num_layers,
            "layer",
            settings.image_depth,
            image_logits=settings.image_loss == "bce",
        )

    def forward(self, network: Network, window: Window) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxiliaryLoss.forward`."""
        lag, rows = self.settings.lag, window.rows
        # The first row that is learnt from and has one so long ago.
        first = max(window.burn_in, lag)
        y, mask = (part[:, first - window.burn_in :] for part in (window.y, window.mask))
        mask = mask & of_one_episode(rows["is_first"], lag)[:, first - lag :]
        obs = rows["obs"][:, first - lag : rows.batch_size[1] - lag]
        # What does not count is taken out before anything is computed of it, where it could be NaN.
        outputs = self.decoder.outputs_of(zero_unless(mask.unsqueeze(-1), y))
        normalizers = [*network.encoder.observation.normalizers, *(None for _ in self.decoder.images)]
        decoded = zip(self.decoder.leaves, self.decoder.scales, normalizers, outputs, strict=True)
        losses = []
        for leaf, scale, normalizer, output in decoded:
            truth = scale(leaf.read(obs))
            truth = zero_unless(mask.reshape(*mask.shape, *[1] * len(leaf.shape)), truth)
            losses.append(self._element_losses(leaf, normalizer, output, truth).mean(-1))
        share = mask.sum() / window.mask.sum().clamp(min=1)
        return masked_mean(torch.stack(losses).mean(0), mask), {"reconstruction_share": share}

    def _element_losses(
        self, leaf: Leaf, normalizer: nn.Module | None, output: Tensor, truth: Tensor
    ) -> Tensor:
        """How far each number of a part is off, `[B, T, n]`."""
        if leaf.kind == "image" and self.settings.image_loss == "bce":
            loss = F.binary_cross_entropy_with_logits(output, truth, reduction="none")
            return loss.flatten(-len(leaf.shape))
        if normalizer is not None and leaf.kind == "vector" and not is_binary(leaf):
            truth = normalizer(truth.reshape(output.shape).float())
        return element_losses(leaf, output, truth)
