"""The observation encoder: one feature vector from a row, whatever its spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.features import action_feature_size, action_features, flatten_leaf
from engram.agents.networks.image_encoders import IMAGE_ENCODERS, ImageDtype, ImageEncoderName, ImageNorm
from engram.agents.networks.image_layout import LayoutName
from engram.agents.networks.leaves import observation_leaves
from engram.agents.networks.mlp import MLP, Activation
from engram.agents.networks.normalizer import RunningNormalizer
from engram.common.checked import Checked
from engram.common.option_types import Count


class Encoder(Checked, nn.Module):
    """Encode a row's observation, previous action and first-row flag to one vector.

    Discrete parts become one-hot vectors, vectors are taken as they are (or normalised), images are scaled to 0 … 1 by
    their bounds and pass through convolutions: `engram.agents.networks.leaves.observation_leaves` says which part is
    what. As in POPGym, the previous action and a one-hot first-row flag stand beside them.

    Args:
        observation_space: single Gymnasium space.
        action_space: single Gymnasium space.
        hidden_sizes: widths of the multilayer perceptron after the concatenation.
        activation: name of its activation.
        layer_norm: LayerNorm without parameters in place of the first activation.
        previous_action: feed the previous action.
        first_flag: feed `is_first` as a one-hot pair.
        previous_reward: feed the reward that arrived with the observation.
        normalize: normalise Box vectors by running statistics.
        image_encoder: `strided` (DreamerV3's) or `impala`; see `engram.agents.networks.image_encoders`.
        image_depth: channels of its first convolution.
        image_features: features of each image; None leaves out the dense layer after the convolutions.
        image_norm: norm after each convolution: `none`, `layer` or `rms`.
        image_dtype: precision in which images are encoded: `float32`, `bfloat16`, or `auto` for the faster one.
        image_layout: of the images' axes, see `engram.agents.networks.image_layout.find_layout`.
        leaves: how to read parts of the observation instead, by their key; see
            `engram.agents.networks.leaves.observation_leaves`.

    Attributes:
        output_size: length of the feature vector.

    Source: Morad et al. 2023 (POPGym), section 4, for what the agent is told.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        hidden_sizes: Sequence[Count] = (128,),
        activation: Activation = "leaky_relu",
        layer_norm: bool = False,
        previous_action: bool = True,
        first_flag: bool = True,
        previous_reward: bool = False,
        normalize: bool = False,
        image_encoder: ImageEncoderName = "strided",
        image_depth: Count = 32,
        image_features: Count | None = 256,
        image_norm: ImageNorm = "none",
        image_dtype: ImageDtype = "float32",
        image_layout: LayoutName = "auto",
        leaves: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.action_space = action_space
        self.previous_action, self.first_flag = previous_action, first_flag
        self.previous_reward = previous_reward
        parts = observation_leaves(observation_space, image_layout, leaves)
        self.images = [leaf for leaf in parts if leaf.kind == "image"]
        self.vectors = [leaf for leaf in parts if leaf.kind == "vector"]
        self.categories = [leaf for leaf in parts if leaf.kind == "categories"]
        image_encoders = [
            IMAGE_ENCODERS[image_encoder](
                leaf.shape,
                depth=image_depth,
                output_size=image_features,
                activation=activation,
                norm=image_norm,
                layout=leaf.layout,
                scale=leaf.pixel_scale,
                dtype=image_dtype,
            )
            for leaf in self.images
        ]
        self.image_encoders = nn.ModuleList(image_encoders)
        vector_size = sum(leaf.feature_size for leaf in self.vectors)
        self.normalizer = RunningNormalizer(vector_size) if normalize and vector_size else None
        self.flat_size = (
            vector_size
            + sum(leaf.feature_size for leaf in self.categories)
            + (action_feature_size(action_space) if previous_action else 0)
            + (2 if first_flag else 0)
            + (1 if previous_reward else 0)
        )
        self.mlp = MLP(
            self.flat_size + sum(encoder.output_size for encoder in image_encoders),
            hidden_sizes,
            activation=activation,
            layer_norm=layer_norm,
        )
        self.output_size = self.mlp.output_size

    def raw_vectors(self, rows: TensorDictBase) -> Tensor:
        """Concatenate the Box vectors of `rows` `[*batch]` to `[*batch, n]`, before normalisation."""
        parts = [flatten_leaf(leaf, leaf.read(rows["obs"]), rows.batch_dims) for leaf in self.vectors]
        return torch.cat(parts, dim=-1)

    def flat_features(self, rows: TensorDictBase) -> Tensor:
        """Everything but images as one vector `[*batch, flat_size]`."""
        parts: list[Tensor] = []
        if self.vectors:
            vectors = self.raw_vectors(rows)
            parts.append(vectors if self.normalizer is None else self.normalizer(vectors))
        for leaf in self.categories:
            parts.append(flatten_leaf(leaf, leaf.read(rows["obs"]), rows.batch_dims))
        if self.previous_action:
            parts.append(action_features(self.action_space, rows["prev_action"], rows.batch_dims))
        if self.first_flag:
            is_first = rows["is_first"]
            parts.append(torch.stack([~is_first, is_first], dim=-1).float())
        if self.previous_reward:
            parts.append(rows["reward"].unsqueeze(-1))
        if not parts:
            return rows["reward"].new_zeros(*rows.batch_size, 0)
        return torch.cat(parts, dim=-1)

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Encode `rows` `[*batch]`.

        Args:
            rows: holds `obs, reward, prev_action, is_first`.

        Returns:
            Features `[*batch, output_size]`.
        """
        parts = [self.flat_features(rows)]
        for leaf, image_encoder in zip(self.images, self.image_encoders, strict=True):
            parts.append(image_encoder(leaf.read(rows["obs"])))
        return self.mlp(torch.cat(parts, dim=-1))

    def update_normalizer(self, rows: TensorDictBase) -> None:
        """Take the Box vectors of `rows` into the running statistics, if there are any."""
        if self.normalizer is not None:
            self.normalizer.update(self.raw_vectors(rows))
