"""The renderer: the one function that an environment calls, on any device."""

from __future__ import annotations

import functools
from types import ModuleType

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.reference import render
from engram.envs.memory_maze.rendering.textures import TEXELS
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import CELL_METRES, FLOOR_TEXTURES, WALL_TEXTURES
from engram.envs.memory_maze.triton_error import triton_is_needed

_ENGINES = ("cpu", "cuda")


def render_frames(
    scene: Scene,
    textures: Tensor,
    image_size: int = 64,
    wall_height: float = 1.5,
    target_height: float = 0.0,
) -> Tensor:
    """Draw what the agents see; arguments and result are those of `reference.render`.

    Compiled loops run on a CPU (numba, on `torch.get_num_threads()` threads) and on CUDA (Triton); on any
    other device the reference runs. After a first call for an image size, a call can be captured on CUDA.

    Raises:
        ValueError: the shapes, dtypes or devices do not fit.
    """
    _check(scene, textures)
    if textures.device.type not in _ENGINES:
        return render(scene, textures, image_size, wall_height, target_height)
    engine = render_engine(textures.device.type)
    wall, target = wall_height / CELL_METRES, target_height / CELL_METRES
    return engine.render_frames(scene, textures, image_size, wall, target)


@functools.cache
def render_engine(device_type: str) -> ModuleType:
    """Return the module of `render_frames` for "cpu" or "cuda", imported late since its compiler is slow to.

    Raises:
        RuntimeError: Triton is missing.
    """
    if device_type == "cpu":
        from engram.envs.memory_maze.rendering import cpu

        return cpu
    with triton_is_needed():
        from engram.envs.memory_maze.rendering import cuda
    return cuda


def _check(scene: Scene, textures: Tensor) -> None:
    """Refuse what the compiled loops, which check no index, would read beyond."""
    batch, targets = scene.target_positions.shape[:2]
    size = scene.walls.shape[-1]
    expected = {
        "walls": ((batch, size, size), torch.bool),
        "rooms": ((batch, size, size), torch.bool),
        "wall_textures": ((batch, 3, 3), torch.uint8),
        "position": ((batch, 2), torch.float32),
        "heading": ((batch,), torch.float32),
        "target_positions": ((batch, targets, 2), torch.float32),
        "target_colors": ((batch, targets), torch.uint8),
        "current_target": ((batch,), torch.int64),
    }
    for name, (shape, dtype) in expected.items():
        value = getattr(scene, name)
        if value.shape != shape or value.dtype != dtype or value.device != textures.device:
            raise ValueError(
                f"The scene's {name} must be {dtype} {list(shape)} on {textures.device}, the device of the "
                f"textures, but it is {value.dtype} {list(value.shape)} on {value.device}; convert it."
            )
    pictures = len(WALL_TEXTURES) + len(FLOOR_TEXTURES)
    if textures.shape != (pictures, TEXELS, 4) or textures.dtype != torch.int16:
        raise ValueError(
            f"textures must be torch.int16 [{pictures}, {TEXELS}, 4], but they are {textures.dtype} "
            f"{list(textures.shape)}; make them with load_textures."
        )
