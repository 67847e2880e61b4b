"""Images from features, by transposed convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.agents.networks.image_encoders import ChannelNorm
from engram.agents.networks.image_layout import ImageLayout, find_layout
from engram.agents.world_model.layers import Norm, dense, init_weight


class ImageDecoder(nn.Module):
    """A dense layer to a few pixels, then transposed convolutions that double them: the encoder backwards.

    It draws on a canvas whose sides are doubled once or more from 4 to 7 pixels (the longer one from more); where an
    image is smaller than the canvas, the middle is cut out.

    Args:
        shape: of one image.
        input_size: features in.
        depth: channels before the last layer, doubled by each layer before it.
        norm: over the channels of every pixel, after each layer but the last.
        layout: of its axes; None: see `engram.agents.networks.image_layout.find_layout`.

    Source: Hafner et al. 2023 (DreamerV3), appendix; the output passes through a sigmoid as in later versions.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        input_size: int,
        depth: int,
        norm: Norm,
        layout: ImageLayout | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout or find_layout(shape)
        channels, *self.sides = self.layout.channels_shape
        height, width = self.sides
        doublings = 0
        while min(height, width) >= 8 or doublings == 0:
            height, width, doublings = -(-height // 2), -(-width // 2), doublings + 1
        width_in = depth * 2 ** (doublings - 1)
        self.small_shape = (width_in, height, width)
        self.project = dense(input_size, width_in * height * width)
        layers: list[nn.Module] = [ChannelNorm(width_in, norm), nn.SiLU()]
        for layer in range(doublings):
            is_final = layer == doublings - 1
            width_out = channels if is_final else width_in // 2
            convolution = nn.ConvTranspose2d(width_in, width_out, 4, stride=2, padding=1, bias=is_final)
            init_weight(convolution.weight, 4 * width_in)  # a pixel is reached by 2 x 2 of the 4 x 4 weights
            layers.append(convolution)
            if is_final:
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            else:
                layers += [ChannelNorm(width_out, norm), nn.SiLU()]
            width_in = width_out
        self.convolutions = nn.Sequential(*layers)

    def forward(self, features: Tensor, as_logits: bool = False) -> Tensor:
        """Draw images between 0 and 1, or their logits, `[*batch, *shape]`, from features `[*batch, input_size]`."""
        batch = features.shape[:-1]
        small = self.project(features).reshape(-1, *self.small_shape)
        # Channels last in memory: a CPU's transposed convolutions and the norms over channels take half the time.
        images = self.convolutions(small.contiguous(memory_format=torch.channels_last))
        images = images if as_logits else images.sigmoid()
        if images.shape[2:] != (*self.sides,):  # else the gradient would be copied
            for axis, side in zip((2, 3), self.sides, strict=True):
                images = images.narrow(axis, (images.shape[axis] - side) // 2, side)
        images = self.layout.from_channels(images)
        return images.reshape(*batch, *images.shape[1:])
