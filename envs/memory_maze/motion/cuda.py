"""The body's motion on a CUDA device: torch's tensors as the arrays of the Triton kernel."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from engram.envs.memory_maze.motion.cuda_kernels import move_bodies
from engram.envs.memory_maze.sizes import CELL_METRES

BLOCK = 32
"""Bodies of a program: one for each lane of a warp, since more would leave fewer warps for the device."""


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Do what `reference.move_reference` does."""
    moved = torch.empty_like(body, memory_format=torch.contiguous_format)
    touched = torch.empty(len(body), dtype=torch.uint8, device=body.device)
    tensors = (
        body.contiguous(),
        drive.contiguous(),
        steer.contiguous(),
        walls.contiguous().view(torch.uint8),
        layout.contiguous(),
        (target.to(torch.float64) * CELL_METRES).contiguous(),
        # A kernel's float arguments have 32 bits.
        torch.full((1,), reach * CELL_METRES, dtype=torch.float64, device=body.device),
        moved,
        touched,
    )
    with torch.cuda.device_of(body):
        move_bodies[(triton.cdiv(len(body), BLOCK),)](
            *tensors, len(body), SIZE=walls.shape[-1], BLOCK=BLOCK, num_warps=1, enable_fp_fusion=False
        )
    return moved, touched.view(torch.bool)
