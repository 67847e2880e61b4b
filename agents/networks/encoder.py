"""The observation encoder: one feature vector from a row, whatever its spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from gymnasium import spaces
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.features import action_feature_size, action_features
from engram.agents.networks.image_encoders import IMAGE_ENCODERS, ImageDtype, ImageEncoderName, ImageNorm
from engram.agents.networks.image_layout import LayoutName
from engram.agents.networks.leaves import observation_leaves
from engram.agents.networks.mlp import MLP, Activation, Norm
from engram.agents.networks.normalizer import RunningNormalizer
from engram.agents.networks.observation_features import ObservationFeatures
from engram.common.checked import Checked
from engram.common.option_types import Count


class Encoder(Checked, nn.Module):
    """Encode a row's observation, previous action and first-row flag to one vector.

    `ObservationFeatures` reads the observation; `engram.agents.networks.leaves.observation_leaves` says which part is
    read as what. As in POPGym, the previous action and a one-hot first-row flag stand beside them.

    Args:
        observation_space: single Gymnasium space.
        action_space: single Gymnasium space.
        hidden_sizes: widths of the multilayer perceptron after the concatenation.
        activation: name of its activation.
        layer_norm: LayerNorm without parameters in place of the first activation.
        norm: `layer` puts a LayerNorm before every activation; `none`.
        previous_action: feed the previous action.
        first_flag: feed `is_first` as a one-hot pair.
        previous_reward: feed the reward that arrived with the observation.
        normalize: normalise Box vectors by running statistics.
        image_encoder: `strided` (DreamerV3's) or `impala`; see `engram.agents.networks.image_encoders`.
        image_depth: channels of its first convolution.
        image_features: features of each image; None leaves out the dense layer after the convolutions.
        image_norm: norm after each convolution: `none`, `layer` or `rms`.
        image_dtype: precision of images: `float32`, as everything else; `bfloat16`; or `auto`, the faster one.
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
        norm: Norm = "none",
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
        make_image_encoder = partial(
            IMAGE_ENCODERS[image_encoder],
            depth=image_depth,
            output_size=image_features,
            activation=activation,
            norm=image_norm,
            dtype=image_dtype,
        )
        parts = observation_leaves(observation_space, image_layout, leaves)
        make_normalizer = RunningNormalizer if normalize else nn.Identity
        self.observation = ObservationFeatures(parts, make_image_encoder, make_normalizer)
        row_size = previous_action * action_feature_size(action_space) + 2 * first_flag + previous_reward
        input_size = self.observation.flat_size + row_size + self.observation.image_size
        self.mlp = MLP(input_size, hidden_sizes, activation=activation, layer_norm=layer_norm, norm=norm)
        self.output_size = self.mlp.output_size

    def forward(self, rows: TensorDictBase) -> Tensor:
        """Encode `rows` `[*batch]`.

        Args:
            rows: holds `obs, reward, prev_action, is_first`.

        Returns:
            Features `[*batch, output_size]`.
        """
        parts, images = self.observation(rows)
        if self.previous_action:
            parts.append(action_features(self.action_space, rows["prev_action"], rows.batch_dims))
        if self.first_flag:
            is_first = rows["is_first"]
            parts.append(torch.stack([~is_first, is_first], dim=-1).float())
        if self.previous_reward:
            parts.append(rows["reward"].unsqueeze(-1))
        return self.mlp(torch.cat([*parts, *images], dim=-1))
