"""Convolutional image encoders: DreamerV3's strided layers and IMPALA's residual network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from agents.networks import linear, make_activation

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# On a CPU larger activations are mapped anew in every call: 1,024 images at once took a third longer.
_CPU_IMAGES = 256


class ImageEncoder(nn.Module, ABC):
    """One vector from an image: convolutions, then a dense layer.

    Images stay as they came until they are read here, so that a rollout of uint8 images is never held as
    floats. Their channels may come first or last; in memory they come last, the fastest order on CPU and CUDA.

    Args:
        shape: `[height, width]`, `[height, width, channels]` or, with 1, 3 or 4 leading channels,
            `[channels, height, width]`.
        depth: channels of the first layer.
        output_size: features out; None leaves out the dense layer and gives the flat convolutions.
        activation: name of the activation.
        norm: over the channels of every pixel, after each convolution: `none`, `layer` or `rms`.
        scale: values are divided by this (255 for uint8).
        dtype: `float32`, or `bfloat16` to compute in mixed precision; parameters and results are float32.

    Attributes:
        output_size: features out.

    Raises:
        ValueError: for an option that the encoder does not have.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        depth: int = 32,
        output_size: int | None = 256,
        activation: str = "relu",
        norm: str = "none",
        scale: float = 255.0,
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        if dtype not in DTYPES:
            raise ValueError(
                f"Images are encoded in {' or '.join(DTYPES)}, but got {dtype!r}; choose one of these."
            )
        self.scale, self.dtype = scale, DTYPES[dtype]
        self.num_image_dims = len(shape)
        self.channels_first = len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)
        example = self._as_channels_first(torch.zeros(1, *shape))
        _, channels, height, width = example.shape
        self.convolutions = self._make_convolutions(channels, min(height, width), depth, activation, norm)
        with torch.no_grad():
            flat_size = self.convolutions(example).numel()
        self.output_size = flat_size if output_size is None else output_size
        self.project: nn.Module = nn.Identity()
        if output_size is not None:
            self.project = nn.Sequential(linear(flat_size, output_size), make_activation(activation))

    @abstractmethod
    def _make_convolutions(
        self, channels: int, size: int, depth: int, activation: str, norm: str
    ) -> nn.Module:
        """Build the layers from `[N, channels, height, width]` to `[N, …]`; `size` is the smaller side."""

    def _as_channels_first(self, images: Tensor) -> Tensor:
        if self.num_image_dims == 2:
            return images.unsqueeze(-3)
        return images if self.channels_first else images.movedim(-1, -3)

    def _encode(self, images: Tensor) -> Tensor:
        """Encode `[N, channels, height, width]` to `[N, output_size]`."""
        scaled = images.to(self.dtype) / self.scale
        scaled = scaled.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return self.project(self.convolutions(scaled).flatten(1)).float()

    def forward(self, image: Tensor) -> Tensor:
        """Encode `image` `[*batch, *shape]` (uint8 or float) to float32 `[*batch, output_size]`."""
        batch = image.shape[: image.ndim - self.num_image_dims]
        images = self._as_channels_first(image.reshape(-1, *image.shape[len(batch) :]))
        if images.device.type == "cpu" and len(images) > _CPU_IMAGES:
            features = torch.cat([self._encode(part) for part in images.split(_CPU_IMAGES)])
        else:
            features = self._encode(images)
        return features.reshape(*batch, self.output_size)


class StridedEncoder(ImageEncoder):
    """Convolutions of kernel 4 and stride 2 that halve an image until it is about 4 pixels wide.

    `depth` doubles with each layer, up to eightfold. 64 × 64 × 3 at depth 32 with `norm` and
    `output_size=None` is DreamerV3's encoder: 690,624 parameters, 4,096 features.

    Source: Hafner et al. 2023 (DreamerV3), appendix; layer norm and SiLU there.
    """

    def _make_convolutions(
        self, channels: int, size: int, depth: int, activation: str, norm: str
    ) -> nn.Module:
        layers: list[nn.Module] = []
        max_depth = 8 * depth
        while size >= 6:
            layer = nn.Conv2d(channels, depth, 4, stride=2, padding=1, bias=norm == "none")
            layers += [_orthogonal(layer, math.sqrt(2)), *_norms(norm, depth), make_activation(activation)]
            channels, depth, size = depth, min(2 * depth, max_depth), size // 2
        return nn.Sequential(*layers)


class ImpalaEncoder(ImageEncoder):
    """Three sections of a convolution, a pooling that halves the image, and two residual blocks.

    The sections are `depth`, `2 depth` and `2 depth` channels wide. 64 × 64 × 3 at the published depth 16
    and 256 features: 622,144 parameters, 97,600 of them in convolutions.

    Source: Espeholt et al. 2018 (IMPALA), figure 3, right; ReLU there.
    """

    def _make_convolutions(
        self, channels: int, size: int, depth: int, activation: str, norm: str
    ) -> nn.Module:
        layers: list[nn.Module] = []
        for width_out in (depth, 2 * depth, 2 * depth):
            layers += [
                _orthogonal(nn.Conv2d(channels, width_out, 3, padding=1)),
                nn.MaxPool2d(3, stride=2, padding=1),
                ResidualBlock(width_out, activation, norm),
                ResidualBlock(width_out, activation, norm),
            ]
            channels = width_out
        return nn.Sequential(*layers, make_activation(activation))


class ResidualBlock(nn.Module):
    """`x + conv(act(conv(act(x))))` with 3 × 3 convolutions, normalised before each activation if asked for.

    Args:
        channels: in and out.
        activation: name of the activation.
        norm: `none`, `layer` or `rms`.
    """

    def __init__(self, channels: int, activation: str, norm: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [*_norms(norm, channels), make_activation(activation)]
            layers.append(_orthogonal(nn.Conv2d(channels, channels, 3, padding=1)))
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `[N, channels, height, width]` to the same shape."""
        return x + self.branch(x)


class ChannelNorm(nn.Module):
    """Layer or RMS norm over the channels of every pixel, as in DreamerV3.

    Args:
        channels: of the images.
        kind: `layer` or `rms`.
    """

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        norms: dict[str, Any] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
        if kind not in norms:
            raise ValueError(
                f"An image encoder's norm is one of none, layer, rms, but got {kind!r}; choose one of these."
            )
        self.norm = norms[kind](channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `[N, channels, height, width]`."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def _orthogonal(layer: nn.Conv2d, gain: float = 1.0) -> nn.Conv2d:
    """Give a convolution orthogonal weights, which keep the scale of what it reads, and zero bias."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _norms(norm: str, channels: int) -> list[nn.Module]:
    return [] if norm == "none" else [ChannelNorm(channels, norm)]


IMAGE_ENCODERS: dict[str, type[ImageEncoder]] = {"strided": StridedEncoder, "impala": ImpalaEncoder}


def make_image_encoder(name: str, shape: tuple[int, ...], **options: Any) -> ImageEncoder:
    """Make an image encoder by name.

    Args:
        name: one of `IMAGE_ENCODERS`.
        shape: of one image, see `ImageEncoder`.
        **options: its further arguments.

    Raises:
        ValueError: for an unknown name or option.
    """
    if name not in IMAGE_ENCODERS:
        raise ValueError(
            f"An image encoder is one of {', '.join(IMAGE_ENCODERS)}, but got {name!r}; choose one of these."
        )
    return IMAGE_ENCODERS[name](shape, **options)
