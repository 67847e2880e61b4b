"""How observations were read by the agents of runs whose spaces have the first format."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from engram.agents.networks.leaves import Leaf
from engram.common.spaces import leaves, place


def describe_reading(leaf: Leaf) -> str:
    """Say how a leaf is read, in words that are equal where the readings are."""
    if leaf.kind != "image" or leaf.layout is None:
        return leaf.kind
    scale = leaf.pixel_scale
    if not scale.is_uniform:
        return f"image {leaf.layout.axes} scaled by element"
    return f"image {leaf.layout.axes} from {scale.low:g} to {scale.low + scale.span:g}"


def earlier_readings(space: spaces.Space) -> dict[str, str]:
    """Describe how the parts of an observation were read, by name.

    Boxes of three axes and uint8 Boxes of two were images, height first unless 1, 3 or 4 channels clearly were, and
    only uint8 was scaled, by 255.
    """
    return {place(path): _earlier(part) for path, part in leaves(space)}


def _earlier(space: spaces.Space) -> str:
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return "categories"
    shape, is_bytes = space.shape or (), space.dtype == np.uint8
    if not isinstance(space, spaces.Box) or not (len(shape) == 3 or (len(shape) == 2 and is_bytes)):
        return "vector"
    channels_first = len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)
    axes = "hw" if len(shape) == 2 else "chw" if channels_first else "hwc"
    return f"image {axes} from 0 to {255 if is_bytes else 1}"
