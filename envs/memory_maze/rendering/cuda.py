"""The renderer on a CUDA device: torch's tensors as the arrays of the Triton kernel."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import focal_length, pixel_slopes, sky_picture
from engram.envs.memory_maze.rendering.cuda_kernels import draw_frames
from engram.envs.memory_maze.rendering.shading import border_width, prompt_colors, target_lights
from engram.envs.memory_maze.rendering.textures import TEXTURE_SIZE
from engram.envs.memory_maze.scene import Scene

BLOCK = 64
"""Pixels of a program, two for each lane of its one warp: a row of a frame of 64. More would leave fewer warps
for a multiprocessor, whose registers they share (62 each; 91 with twice the pixels)."""


def render_frames(
    scene: Scene, textures: Tensor, image_size: int, wall_height: float, target_height: float
) -> Tensor:
    """Draw the frames; arguments and result are those of `cpu.render_frames`."""
    device, batch = textures.device, len(scene.walls)
    frames = torch.empty(batch, image_size, image_size, 3, dtype=torch.uint8, device=device)
    tensors = (
        scene.walls.contiguous().view(torch.uint8),
        scene.rooms.contiguous().view(torch.uint8),
        scene.wall_textures.contiguous(),
        scene.position.contiguous(),
        scene.heading.contiguous(),
        scene.target_positions.contiguous(),
        scene.target_colors.contiguous(),
        scene.current_target.contiguous(),
        textures.contiguous().view(torch.int64),
        pixel_slopes(image_size, device),
        sky_picture(image_size, device),
        target_lights(device),
        prompt_colors(device),
        frames,
    )
    with torch.cuda.device_of(frames):
        draw_frames[(batch * triton.cdiv(image_size**2, BLOCK),)](
            *tensors,
            wall_height,
            target_height,
            (TEXTURE_SIZE / focal_length(image_size)) ** 2,
            SIZE=scene.walls.shape[-1],
            TARGETS=scene.target_positions.shape[1],
            WIDTH=image_size,
            BORDER=border_width(image_size),
            BLOCK=BLOCK,
            num_warps=1,
            enable_fp_fusion=True,
        )
    return frames
