"""Keyed draws on a CUDA device: torch's tensors as the arrays of the Triton kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import triton
from torch import Tensor

from engram.common.keyed_hash.cuda_kernels import draw_kernel, stream_kernel

Kind = Literal["state", "hash", "integer", "uniform", "normal"]
BLOCK = 128
"""Draws of a program."""


def draw(kind: Kind, state: int | Tensor, parts: Sequence[int | Tensor], bound: int | Tensor = 0) -> Tensor:
    """Absorb parts into the state of the hash and draw; at least one of them all is a tensor on the device.

    Args:
        kind: what is made of it: its 64 bits as they are, or what `hash_integers`, `randint`, `uniform` and `normal` of
            `engram.common.random` return.
        state: before the first part, as an int64.
        parts: int64 numbers, or integer tensors that broadcast together.
        bound: of kind "integer", exclusive.

    Returns:
        int64 of the broadcast shape; float32 of kind "uniform", and with a last dimension of 2 of kind "normal".
    """
    given = [state, *parts, *([bound] if kind == "integer" else [])]
    given = [_number_of_the_host(part) for part in given]
    tensors = [part for part in given if isinstance(part, Tensor)]
    shape, device = torch.broadcast_shapes(*(tensor.shape for tensor in tensors)), tensors[0].device
    assert len(shape) <= 3, f"draws have at most 3 dimensions: got {tuple(shape)}"
    sizes = (1,) * (3 - len(shape)) + tuple(shape)
    steps: list[int] = []
    for part in given:
        steps += part.expand(sizes).stride() if isinstance(part, Tensor) else (0, 0, 0)
    dtype = torch.float32 if kind in ("uniform", "normal") else torch.int64
    out = torch.empty((*shape, 2) if kind == "normal" else shape, dtype=dtype, device=device)
    count = shape.numel()
    if count:
        with torch.cuda.device_of(out):
            draw_kernel[(triton.cdiv(count, BLOCK),)](
                out,
                tuple(given),
                tuple(steps),
                count,
                sizes[1],
                sizes[2],
                TENSORS=tuple(isinstance(part, Tensor) for part in given),
                NUM_HASHED=len(parts),
                KIND=kind,
                BLOCK=BLOCK,
            )
    return out


def stream_uniform(keys: Tensor, counter: Tensor, count: int) -> Tensor:
    """Do what `engram.common.streams.stream_uniform` does."""
    out = torch.empty(len(keys), count, dtype=torch.float32, device=keys.device)
    if out.numel():
        with torch.cuda.device_of(out):
            stream_kernel[(triton.cdiv(out.numel(), BLOCK),)](
                out, keys, counter, keys.stride(0), counter.stride(0), out.numel(), count, BLOCK=BLOCK
            )
    return out


def _number_of_the_host(part: int | Tensor) -> int | Tensor:
    """Read a number that lies in host memory: kernels take it as an argument."""
    if isinstance(part, Tensor) and part.device.type == "cpu" and part.ndim == 0:
        return int(part.item())
    return part
