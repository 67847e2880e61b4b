"""Convolutional image encoders: DreamerV3's strided layers and IMPALA's residual network."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engram.agents.networks.image_layout import ImageLayout, find_layout
from engram.agents.networks.mlp import ACTIVATIONS, Activation, linear
from engram.agents.networks.pixel_scale import PixelScale
from engram.common.checked import Checked
from engram.common.option_types import Count
from engram.common.tracing import is_traced

ImageDtype = Literal["float32", "bfloat16", "auto"]
ImageNorm = Literal["none", "layer", "rms"]
ImageEncoderName = Literal["strided", "impala"]
# On a CPU larger activations are mapped anew in every call: 1,024 images at once took a third longer.
_CPU_IMAGES = 256


class ImageEncoder(Checked, nn.Module, ABC):
    """One vector from an image: convolutions, then a dense layer.

    Images stay as they came until they are read here, so that a rollout of uint8 images is never held as
    floats. Their axes may come in any layout; in memory channels come last, the fastest order on CPU and CUDA.

    Args:
        shape: of one image.
        depth: channels of the first layer.
        output_size: features out; None leaves out the dense layer and gives the flat convolutions.
        activation: name of the activation.
        norm: over the channels of every pixel, after each convolution: `none`, `layer` or `rms`.
        layout: of its axes; None: see `engram.agents.networks.image_layout.find_layout`.
        scale: what brings values between 0 and 1; a number is what they are divided by.
        dtype: `float32`, unless the call is within an agent's mixed precision; `bfloat16` to compute in mixed
            precision in any case, with parameters and results in float32; or `auto`, which is `bfloat16` on devices
            that compute it natively, about twice as fast. Others are many times slower with it.

    Attributes:
        output_size: features out.

    Raises:
        ValueError: for an option that the encoder does not have.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        depth: Count = 32,
        output_size: Count | None = 256,
        activation: Activation = "relu",
        norm: ImageNorm = "none",
        layout: ImageLayout | None = None,
        scale: PixelScale | float = 255.0,
        dtype: ImageDtype = "float32",
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.layout = layout or find_layout(shape)
        given = scale if isinstance(scale, PixelScale) else PixelScale(span=scale)
        self.scale = given.arranged(self.layout)
        channels, height, width = self.layout.channels_shape
        self.convolutions = self._make_convolutions(channels, min(height, width), depth, activation, norm)
        with torch.no_grad():
            flat_size = self.convolutions(torch.zeros(1, channels, height, width)).numel()
        self.output_size = flat_size if output_size is None else output_size
        self.project: nn.Module = nn.Identity()
        if output_size is not None:
            self.project = nn.Sequential(linear(flat_size, output_size), ACTIVATIONS[activation]())

    @abstractmethod
    def _make_convolutions(
        self, channels: int, size: int, depth: int, activation: Activation, norm: ImageNorm
    ) -> nn.Module:
        """Build the layers from `[N, channels, height, width]` to `[N, …]`; `size` is the smaller side."""

    def _encode(self, images: Tensor) -> Tensor:
        """Encode `[N, *shape]` to `[N, output_size]`."""
        images = self.layout.to_channels(images)
        chosen = self.dtype == "bfloat16" or (self.dtype == "auto" and computes_bfloat16(images.device))
        mixed = chosen or torch.is_autocast_enabled(images.device.type)
        scaled = self.scale(images, torch.bfloat16 if mixed else torch.float32)
        scaled = scaled.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            return self.project(self.convolutions(scaled).flatten(1)).float()

    def forward(self, image: Tensor) -> Tensor:
        """Encode `image` `[*batch, *shape]` of any dtype to float32 `[*batch, output_size]`."""
        batch = image.shape[: image.ndim - len(self.layout.shape)]
        images = image.reshape(-1, *image.shape[len(batch) :])
        if images.device.type == "cpu" and not is_traced() and len(images) > _CPU_IMAGES:
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
        self, channels: int, size: int, depth: int, activation: Activation, norm: ImageNorm
    ) -> nn.Module:
        layers: list[nn.Module] = []
        max_depth = 8 * depth
        while size >= 6:
            layer = nn.Conv2d(channels, depth, 4, stride=2, padding=1, bias=norm == "none")
            layers += [_orthogonal(layer, math.sqrt(2)), *_norms(norm, depth), ACTIVATIONS[activation]()]
            channels, depth, size = depth, min(2 * depth, max_depth), size // 2
        return nn.Sequential(*layers)


class ImpalaEncoder(ImageEncoder):
    """Three sections of a convolution, a pooling that halves the image, and two residual blocks.

    The sections are `depth`, `2 depth` and `2 depth` channels wide. 64 × 64 × 3 at the published depth 16
    and 256 features: 622,144 parameters, 97,600 of them in convolutions.

    Source: Espeholt et al. 2018 (IMPALA), figure 3, right; ReLU there.
    """

    def _make_convolutions(
        self, channels: int, size: int, depth: int, activation: Activation, norm: ImageNorm
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
        return nn.Sequential(*layers, ACTIVATIONS[activation]())


class ResidualBlock(nn.Module):
    """`x + conv(act(conv(act(x))))` with 3 × 3 convolutions, normalised before each activation if asked for.

    Args:
        channels: in and out.
        activation: name of the activation.
        norm: `none`, `layer` or `rms`.
    """

    def __init__(self, channels: int, activation: Activation, norm: ImageNorm) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [*_norms(norm, channels), ACTIVATIONS[activation]()]
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

    def __init__(self, channels: int, kind: ImageNorm) -> None:
        super().__init__()
        norms: dict[str, Any] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
        self.norm = norms[kind](channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `[N, channels, height, width]`."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


@functools.cache
def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16: CUDA since Ampere, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def _orthogonal(layer: nn.Conv2d, gain: float = 1.0) -> nn.Conv2d:
    """Give a convolution orthogonal weights, which keep the scale of what it reads, and zero bias."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _norms(norm: ImageNorm, channels: int) -> list[nn.Module]:
    return [] if norm == "none" else [ChannelNorm(channels, norm)]


IMAGE_ENCODERS: dict[ImageEncoderName, type[ImageEncoder]] = {
    "strided": StridedEncoder,
    "impala": ImpalaEncoder,
}
