"""The world model's observation encoder: one vector from an observation of any space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.features import flatten_leaf
from engram.agents.networks.image_encoders import StridedEncoder
from engram.agents.networks.leaves import Leaf
from engram.agents.world_model.layers import Head, Norm
from engram.agents.world_model.two_hot import symlog


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
        self.images = [leaf for leaf in leaves if leaf.kind == "image"]
        self.flat = [leaf for leaf in leaves if leaf.kind != "image"]
        self.image_encoders = nn.ModuleList(
            StridedEncoder(
                leaf.shape,
                depth=image_depth,
                output_size=None,
                activation="silu",
                norm=norm,
                layout=leaf.layout,
                scale=leaf.pixel_scale,
            )
            for leaf in self.images
        )
        flat_size = sum(leaf.feature_size for leaf in self.flat)
        self.blocks = Head(flat_size, 0, units, num_layers, norm) if flat_size else None
        image_size = sum(encoder.output_size for encoder in self.image_encoders)  # type: ignore[misc]
        self.output_size = image_size + (units if flat_size else 0)

    def forward(self, obs: Tensor | TensorDictBase, batch_dims: int) -> Tensor:
        """Encode observations `[*batch, …]` to `[*batch, output_size]`; `batch_dims` counts `*batch`."""
        parts = [
            encoder(leaf.read(obs)) for leaf, encoder in zip(self.images, self.image_encoders, strict=True)
        ]
        if self.blocks is not None:
            flat = torch.cat([_flat_features(leaf, obs, batch_dims) for leaf in self.flat], dim=-1)
            parts.append(self.blocks(flat))
        return torch.cat(parts, dim=-1)


def _flat_features(leaf: Leaf, obs: Tensor | TensorDictBase, batch_dims: int) -> Tensor:
    value = flatten_leaf(leaf, leaf.read(obs), batch_dims)
    return symlog(value) if leaf.kind == "vector" else value
