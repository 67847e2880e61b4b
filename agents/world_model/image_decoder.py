"""Images from features, by transposed convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from agents.image_encoders import ChannelNorm
from agents.world_model.layers import Norm, dense, init_weight


class ImageDecoder(nn.Module):
    """A dense layer to a few pixels, then transposed convolutions that double them: the encoder backwards.

    Args:
        shape: `[height, width]`, `[height, width, channels]` or, with 1, 3 or 4 leading channels,
            `[channels, height, width]`.
        input_size: features in.
        depth: channels before the last layer, doubled by each layer before it.
        norm: over the channels of every pixel, after each layer but the last.

    Raises:
        ValueError: if doubling cannot reach the image's sides from 4 to 7 pixels.

    Source: Hafner et al. 2023 (DreamerV3), appendix; the output passes through a sigmoid as in later versions.
    """

    def __init__(self, shape: tuple[int, ...], input_size: int, depth: int, norm: Norm) -> None:
        super().__init__()
        self.num_image_dims = len(shape)
        self.channels_first = len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)
        channels, height, width = _channels_first_shape(shape, self.channels_first)
        doublings = 0
        while min(height, width) >= 8 and height % 2 == 0 and width % 2 == 0:
            height, width, doublings = height // 2, width // 2, doublings + 1
        if min(height, width) >= 8 or doublings == 0:
            raise ValueError(
                "A world model draws images whose sides are 4 to 7 pixels doubled once or more, such as 64 x 64, but "
                f"got the shape {list(shape)}; resize the environment's images."
            )
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

    def forward(self, features: Tensor) -> Tensor:
        """Draw images between 0 and 1, `[*batch, *shape]`, from features `[*batch, input_size]`."""
        batch = features.shape[:-1]
        small = self.project(features).reshape(-1, *self.small_shape)
        images = self.convolutions(small).sigmoid()
        if self.num_image_dims == 2:
            images = images.squeeze(1)
        elif not self.channels_first:
            images = images.movedim(1, -1)
        return images.reshape(*batch, *images.shape[1:])


def _channels_first_shape(shape: tuple[int, ...], channels_first: bool) -> tuple[int, int, int]:
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    if channels_first:
        return shape[0], shape[1], shape[2]
    return shape[2], shape[0], shape[1]
