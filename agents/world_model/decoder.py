"""The world model's decoder: what an observation of any space would look like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.leaves import Leaf
from engram.agents.networks.pixel_scale import PixelScale
from engram.agents.world_model.image_decoder import ImageDecoder
from engram.agents.world_model.layers import Head, Norm, dense
from engram.agents.world_model.two_hot import symexp, symlog


class ObservationDecoder(nn.Module):
    """Predict every part of an observation from features, and hold predictions against the truth.

    Args:
        leaves: parts of the observations that are read.
        input_size: features in.
        units: width of the dense blocks.
        num_layers: number of dense blocks.
        norm: of the blocks.
        image_depth: channels of the last convolution but one.

    Raises:
        ValueError: for an image without bounds.
    """

    def __init__(
        self,
        leaves: Sequence[Leaf],
        input_size: int,
        units: int,
        num_layers: int,
        norm: Norm,
        image_depth: int,
    ) -> None:
        super().__init__()
        self.images = [leaf for leaf in leaves if leaf.kind == "image"]
        self.flat = [leaf for leaf in leaves if leaf.kind != "image"]
        self.image_decoders = nn.ModuleList(
            ImageDecoder(leaf.shape, input_size, image_depth, norm, leaf.layout) for leaf in self.images
        )
        self.pixel_scales = nn.ModuleList(_drawable_scale(leaf) for leaf in self.images)
        self.blocks = Head(input_size, 0, units, num_layers, norm) if self.flat else None
        self.outputs = nn.ModuleList(dense(units, leaf.feature_size) for leaf in self.flat)

    def losses(self, features: Tensor, obs: Tensor | TensorDictBase) -> dict[str, Tensor]:
        """Measure how far the predictions are off, by kind of observation.

        Args:
            features: `[*batch, input_size]`.
            obs: the true observations `[*batch, …]`.

        Returns:
            `vector`: summed squared error of symlogs; `symbol`: cross-entropy in nats; `image`: summed
            squared error of pixels between 0 and 1; those that occur, `[*batch]` each.
        """
        losses: dict[str, Tensor] = {}
        batch_dims = features.ndim - 1
        for leaf, output in self._flat_outputs(features):
            kind = "vector" if leaf.kind == "vector" and not _is_binary(leaf) else "symbol"
            loss = _flat_loss(leaf, output.float(), leaf.read(obs), batch_dims)
            losses[kind] = losses[kind] + loss if kind in losses else loss
        for leaf, decoder, scale in zip(self.images, self.image_decoders, self.pixel_scales, strict=True):
            error = decoder(features).float() - scale(leaf.read(obs))
            loss = error.square().flatten(batch_dims).sum(-1)
            losses["image"] = losses["image"] + loss if "image" in losses else loss
        return losses

    def predict(self, features: Tensor) -> dict[tuple[str, ...], Tensor]:
        """Predict observations.

        Args:
            features: `[*batch, input_size]`.

        Returns:
            By the leaf's key, `[*batch, *shape]`: vectors and images as floats (images between 0 and 1), symbols as
            their most likely value.
        """
        found = {leaf.key: _prediction(leaf, output.float()) for leaf, output in self._flat_outputs(features)}
        for leaf, decoder in zip(self.images, self.image_decoders, strict=True):
            found[leaf.key] = decoder(features).float()
        return found

    def truth(self, key: tuple[str, ...], obs: Tensor | TensorDictBase) -> Tensor:
        """Pick a leaf out of true observations, in the units of `predict`."""
        for leaf, scale in zip(self.images, self.pixel_scales, strict=True):
            if leaf.key == key:
                return scale(leaf.read(obs))
        return next(leaf for leaf in self.flat if leaf.key == key).read(obs)

    def _flat_outputs(self, features: Tensor) -> list[tuple[Leaf, Tensor]]:
        if self.blocks is None:
            return []
        hidden = self.blocks(features)
        return [(leaf, output(hidden)) for leaf, output in zip(self.flat, self.outputs, strict=True)]


def _drawable_scale(leaf: Leaf) -> PixelScale:
    """The scale of an image; ValueError if there is none, for what is drawn lies between 0 and 1."""
    scale = leaf.pixel_scale
    if not scale.is_bounded:
        raise ValueError(
            f"A world model draws images between the bounds of their Box, but those of {leaf.name!r} are infinite or "
            f"wider than 2**24; give them finite bounds, or read it otherwise, leaves.{leaf.name}=vector or none."
        )
    return scale


def _is_binary(leaf: Leaf) -> bool:
    return isinstance(leaf.space, spaces.MultiBinary)


def _flat_loss(leaf: Leaf, output: Tensor, value: Tensor, batch_dims: int) -> Tensor:
    batch = value.shape[:batch_dims]
    if leaf.kind == "categories":
        parts = value.reshape(*batch, len(leaf.sizes)).long().unbind(-1)
        logits = output.split(leaf.sizes, dim=-1)
        return torch.stack([_cross_entropy(z, part) for z, part in zip(logits, parts, strict=True)]).sum(0)
    flat = value.reshape(*batch, -1).float()
    if _is_binary(leaf):
        return F.binary_cross_entropy_with_logits(output, flat, reduction="none").sum(-1)
    return (output - symlog(flat)).square().sum(-1)


def _cross_entropy(logits: Tensor, index: Tensor) -> Tensor:
    return -F.log_softmax(logits, dim=-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)


def _prediction(leaf: Leaf, output: Tensor) -> Tensor:
    batch = output.shape[:-1]
    if leaf.kind == "categories":
        parts = [logits.argmax(-1) for logits in output.split(leaf.sizes, dim=-1)]
        return torch.stack(parts, dim=-1).reshape(*batch, *leaf.shape)
    value = output > 0 if _is_binary(leaf) else symexp(output)
    return value.reshape(*batch, *leaf.shape)
