"""Where height, width, channels and a stack's frames stand among the axes of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

LayoutName = Literal["auto", "hwc", "chw", "shwc", "schw", "hwcs"]
LAYOUTS: tuple[LayoutName, ...] = ("hwc", "chw", "shwc", "schw", "hwcs")
# A guess takes at most so many channels or frames: 4 frames of 4 channels.
_MOST_CHANNELS = 16


@dataclass(frozen=True)
class ImageLayout:
    """The axes of a picture; the frames of a stack are channels to everything that reads it.

    Attributes:
        axes: a letter for each axis: h, w, c for channels, s for the frames of a stack.
        shape: of one picture.
    """

    axes: str
    shape: tuple[int, ...]

    def _sizes(self, letters: str) -> tuple[int, ...]:
        return tuple(self.shape[self.axes.index(axis)] for axis in letters if axis in self.axes)

    @property
    def channels_shape(self) -> tuple[int, int, int]:
        """Channels (of all frames), height and width."""
        height, width = self._sizes("hw")
        channels = 1
        for size in self._sizes("sc"):
            channels *= size
        return channels, height, width

    @property
    def num_frames(self) -> int:
        """Frames of a stack; 1 where no axis is of frames."""
        return self._sizes("s")[0] if "s" in self.axes else 1

    def to_channels(self, images: Tensor) -> Tensor:
        """Bring `[*batch, *shape]` to `[*batch, channels, height, width]`."""
        batch = images.ndim - len(self.axes)
        order = [self.axes.index(axis) for axis in "schw" if axis in self.axes]
        moved = images.permute(*range(batch), *(batch + axis for axis in order))
        if len(order) == 3:
            return moved  # as it lies in memory, which decides the order in which convolutions add
        return moved.reshape(*images.shape[:batch], *self.channels_shape)

    def from_channels(self, images: Tensor) -> Tensor:
        """Bring `[*batch, channels, height, width]` back to `[*batch, *shape]`."""
        batch = images.ndim - 3
        present = [axis for axis in "schw" if axis in self.axes]
        parts = images.reshape(*images.shape[:batch], *self._sizes("".join(present)))
        return parts.permute(*range(batch), *(batch + present.index(axis) for axis in self.axes))


def find_layout(shape: tuple[int, ...], layout: LayoutName = "auto", name: str = "obs") -> ImageLayout:
    """Name the axes of a picture.

    Args:
        shape: of one picture. Two axes are height and width whatever `layout` is.
        layout: one of `LAYOUTS`: of three axes its `s` means nothing, of four an `s` that it lacks comes first. `auto`
            takes the layout in which the frames and channels are at most 16 and at most half of the shorter side;
            there are never two.
        name: of the observation, for messages.

    Raises:
        ValueError: for an unknown layout, a shape that is not a picture's, or if `auto` finds none.
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise ValueError(
            f"The layout of images is one of auto, {', '.join(LAYOUTS)}, but got {layout!r}; choose one of these."
        )
    if len(shape) not in (2, 3, 4) or 0 in shape:
        raise ValueError(
            "An image has two axes, three with channels or four with the frames of a stack, but the observation "
            f"{name!r} has the shape {list(shape)}; read it otherwise, leaves.{name}=vector or none."
        )
    if len(shape) == 2:
        return ImageLayout("hw", shape)
    if layout == "auto":
        fitting = (found for found in (_adapted(name, shape) for name in LAYOUTS) if _is_plain(found))
        if (found := next(fitting, None)) is not None:
            return found
        raise ValueError(
            f"The layout of an image is guessed only where it cannot be mistaken, but the observation {name!r} has the "
            f"shape {list(shape)}; say which axes are height, width, channels and frames, image_layout="
            f"{'|'.join(LAYOUTS)}, or read it otherwise, leaves.{name}=vector or none."
        )
    return _adapted(layout, shape)


def _adapted(layout: str, shape: tuple[int, ...]) -> ImageLayout:
    bare = layout.replace("s", "")
    if len(shape) == 3:
        return ImageLayout(bare, shape)
    return ImageLayout(layout if "s" in layout else f"s{bare}", shape)


def _is_plain(layout: ImageLayout) -> bool:
    few, sides = layout._sizes("sc"), layout._sizes("hw")
    return max(few) <= min(_MOST_CHANNELS, min(sides) // 2)
