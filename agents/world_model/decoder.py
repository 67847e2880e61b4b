"""The world model's decoder: what an observation of any space would look like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.leaves import Leaf
from engram.agents.world_model.image_decoder import ImageDecoder
from engram.agents.world_model.layers import Head, Norm, dense
from engram.agents.world_model.two_hot import symexp, symlog


class LeafDecoder(nn.Module):
    """From features to the numbers that stand for every part of an observation.

    Args:
        leaves: parts of the observations that are read.
        input_size: features in.
        units: width of the dense blocks.
        num_layers: number of dense blocks.
        norm: of the blocks.
        image_depth: channels of the last convolution but one.
        image_logits: images come as logits, else between 0 and 1.

    Attributes:
        leaves: in the order of `outputs_of`: those that are no images first.
        scales: what brings the truth of each into the units in which it is predicted.

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
        image_logits: bool = False,
    ) -> None:
        super().__init__()
        self.image_logits = image_logits
        self.images = [leaf for leaf in leaves if leaf.kind == "image"]
        self.flat = [leaf for leaf in leaves if leaf.kind != "image"]
        self.image_decoders = nn.ModuleList(
            ImageDecoder(leaf.shape, input_size, image_depth, norm, leaf.layout) for leaf in self.images
        )
        self.blocks = Head(input_size, 0, units, num_layers, norm) if self.flat else None
        self.outputs = nn.ModuleList(dense(units, leaf.feature_size) for leaf in self.flat)
        self.leaves = [*self.flat, *self.images]
        self.scales = nn.ModuleList(map(_drawable_scale, self.leaves))

    def outputs_of(self, features: Tensor) -> list[Tensor]:
        """Compute the output of every part, in float32.

        Args:
            features: `[*batch, input_size]`.

        Returns:
            For each of `leaves` an image `[*batch, *shape]`, or `[*batch, feature_size]`: logits of categories and
            bits, and vectors.
        """
        hidden = features if self.blocks is None else self.blocks(features)
        flat = [output(hidden) for output in self.outputs]
        drawn = [decoder(features, self.image_logits) for decoder in self.image_decoders]
        return [output.float() for output in (*flat, *drawn)]


class ObservationDecoder(LeafDecoder):
    """Predict every part of an observation from features, and hold predictions against the truth."""

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
        parts = zip(self.leaves, self.scales, self.outputs_of(features), strict=True)
        for leaf, scale, output in parts:
            kind, truth = _kind(leaf), scale(leaf.read(obs))
            loss = element_losses(leaf, output, symlog(truth.float()) if kind == "vector" else truth).sum(-1)
            losses[kind] = losses[kind] + loss if kind in losses else loss
        return losses

    def predict(self, features: Tensor) -> dict[tuple[str, ...], Tensor]:
        """Predict observations.

        Args:
            features: `[*batch, input_size]`.

        Returns:
            By the leaf's key, `[*batch, *shape]`: vectors and images as floats (images between 0 and 1), symbols as
            their most likely value.
        """
        parts = zip(self.leaves, self.outputs_of(features), strict=True)
        return {leaf.key: _prediction(leaf, output) for leaf, output in parts}

    def truth(self, key: tuple[str, ...], obs: Tensor | TensorDictBase) -> Tensor:
        """Pick a leaf out of true observations, in the units of `predict`."""
        parts = zip(self.leaves, self.scales, strict=True)
        return next(scale(leaf.read(obs)) for leaf, scale in parts if leaf.key == key)


def _drawable_scale(leaf: Leaf) -> nn.Module:
    """The scale of a part; ValueError for an image that has none, for what is drawn lies between 0 and 1."""
    if leaf.kind != "image":
        return nn.Identity()
    scale = leaf.pixel_scale
    if not scale.is_bounded:
        raise ValueError(
            f"An image is drawn between the bounds of its Box, but those of {leaf.name!r} are infinite or "
            f"wider than 2**24; give them finite bounds, or read it otherwise, leaves.{leaf.name}=vector or none."
        )
    return scale


def is_binary(leaf: Leaf) -> bool:
    """Tell whether a part's numbers are bits."""
    return isinstance(leaf.space, spaces.MultiBinary)


def _kind(leaf: Leaf) -> str:
    """By which name a part's loss goes."""
    if leaf.kind == "image":
        return "image"
    return "symbol" if leaf.kind == "categories" or is_binary(leaf) else "vector"


def element_losses(leaf: Leaf, output: Tensor, truth: Tensor) -> Tensor:
    """Measure how far each number of a part is off.

    Args:
        leaf: the part.
        output: of a `LeafDecoder` for it, images between 0 and 1.
        truth: `[*batch, *shape]`, in the units of the output.

    Returns:
        Squared errors of pixels and vectors, cross-entropies of categories and bits in nats, `[*batch, n]`.
    """
    if leaf.kind == "image":
        return F.mse_loss(output, truth, reduction="none").flatten(-len(leaf.shape))
    flat = truth.reshape(*output.shape[:-1], -1)
    if leaf.kind == "categories":
        pairs = zip(output.split(leaf.sizes, dim=-1), flat.long().unbind(-1), strict=True)
        return torch.stack([_cross_entropy(logits, index) for logits, index in pairs]).movedim(0, -1)
    if is_binary(leaf):
        return F.binary_cross_entropy_with_logits(output, flat.float(), reduction="none")
    return (output - flat.float()).square()


def _cross_entropy(logits: Tensor, index: Tensor) -> Tensor:
    return -F.log_softmax(logits, dim=-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)


def _prediction(leaf: Leaf, output: Tensor) -> Tensor:
    if leaf.kind == "image":
        return output
    batch = output.shape[:-1]
    if leaf.kind == "categories":
        parts = [logits.argmax(-1) for logits in output.split(leaf.sizes, dim=-1)]
        return torch.stack(parts, dim=-1).reshape(*batch, *leaf.shape)
    value = output > 0 if is_binary(leaf) else symexp(output)
    return value.reshape(*batch, *leaf.shape)
