"""The world model's observation encoder: one vector from an observation of any space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.image_encoders import StridedEncoder
from engram.agents.networks.leaves import Leaf
from engram.agents.networks.observation_features import ObservationFeatures
from engram.agents.world_model.layers import Head, Norm
from engram.agents.world_model.two_hot import Symlog


class ObservationEncoder(nn.Module):
    """Symlog of vectors and one-hot symbols through dense blocks, images through strided convolutions.

    Args:
        leaves: parts of the observations that are read.
        units: width of the dense blocks.
        num_layers: number of dense blocks.
        norm: of the dense blocks.
        image_depth: channels of the first convolution.

    Attributes:
        output_size: length of the vector.
    """

    def __init__(
        self, leaves: Sequence[Leaf], units: int, num_layers: int, norm: Norm, image_depth: int
    ) -> None:
        super().__init__()
        make_image_encoder = partial(
            StridedEncoder, depth=image_depth, output_size=None, activation="silu", norm=norm
        )
        self.observation = ObservationFeatures(leaves, make_image_encoder, lambda size: Symlog())
        flat_size = self.observation.flat_size
        self.blocks = Head(flat_size, 0, units, num_layers, norm) if flat_size else None
        self.output_size = self.observation.image_size + (units if flat_size else 0)

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Encode the observations of `rows` `[*batch]` to `[*batch, output_size]`."""
        flat, parts = self.observation(rows)
        if self.blocks is not None:
            parts.append(self.blocks(torch.cat(flat, dim=-1)))
        return torch.cat(parts, dim=-1)
