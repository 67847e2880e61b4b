"""Counter-based randomness: every draw is a hash of what it is for, so nothing has a hidden state.

On a CUDA device a draw is one kernel, with the same numbers.
For streams that one key names, as an agent's noise, see `engram.common.streams`: one hash a number.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import torch
from torch import Tensor

from engram.common.splitmix64 import MASK, WEYL, mix_, mix_integer, shift_right, signed


def hash_integers(*parts: int | str | Tensor, prefix: int | Tensor = 0) -> Tensor:
    """Hash integers to one integer in [0, 2**32), equally on every device.

    The definition, in arithmetic modulo 2**64 with logical shifts: `h = 0`; for each part `p` in order
    `z = (h + 0x9E3779B97F4A7C15) ^ p`, then `h = mix(z)` where `mix` is the finaliser of SplitMix64
    (`z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31`); the
    result is `h >> 32`. A string part stands for the crc32 of its UTF-8 bytes, a negative integer for its
    two's complement. So `("a", 1)`, `(1, "a")` and `("a", 1, 0)` are three independent draws.

    Args:
        *parts: integers, strings or integer tensors that broadcast together. Leading integers and strings
            cost no tensor operation.
        prefix: `hash_prefix` of the parts that come before these.

    Returns:
        int64 tensor of the broadcast shape (0-d on the CPU if no part is a tensor).
    """
    if _is_on_cuda(prefix, *parts):
        return _draw_on_cuda("hash", prefix, parts)
    state = _absorb(prefix, parts)
    if isinstance(state, Tensor):
        return shift_right(state, 32)
    return torch.tensor(state >> 32)


def hash_prefix(*parts: int | str | Tensor) -> Tensor:
    """Hash the parts that many draws begin with, once: a part costs as much as a dozen additions.

    `hash_integers(c, prefix=hash_prefix(a, b))` is `hash_integers(a, b, c)`; likewise the other draws.

    Args:
        *parts: as in `hash_integers`; at least one is a tensor.

    Returns:
        int64 tensor of the broadcast shape: `h` of the definition, all 64 bits.
    """
    if _is_on_cuda(*parts):
        return _draw_on_cuda("state", 0, parts)
    state = _absorb(0, parts)
    assert isinstance(state, Tensor), "a prefix without a tensor saves nothing: give its parts themselves"
    return state


def hash_to_int(*parts: int | str) -> int:
    """Return `hash_integers(*parts).item()` without touching torch, for worker processes."""
    state = 0
    for part in parts:
        state = _mix_integers(state, part)
    return state >> 32


def purpose(name: str) -> int:
    """Return the integer a string part stands for: give this instead in code that is to be compiled."""
    return zlib.crc32(name.encode())


def uniform(*parts: int | str | Tensor, prefix: int | Tensor = 0) -> Tensor:
    """Draw float32 in [0, 1): the upper 24 bits of `hash_integers(*parts)`, exact on every device."""
    if _is_on_cuda(prefix, *parts):
        return _draw_on_cuda("uniform", prefix, parts)
    return (hash_integers(*parts, prefix=prefix) >> 8).to(torch.float32) * 2.0**-24


def randint(high: int | Tensor, *parts: int | str | Tensor, prefix: int | Tensor = 0) -> Tensor:
    """Draw int64 in [0, high) from `hash_integers(*parts)`; some values are at most high / 2**32 likelier.

    Args:
        high: exclusive bound below 2**31, an integer or a tensor that broadcasts with the parts.
        *parts: as in `hash_integers`.
        prefix: as in `hash_integers`.

    Returns:
        int64 tensor of the broadcast shape.
    """
    if _is_on_cuda(high, prefix, *parts):
        return _draw_on_cuda("integer", prefix, parts, high)
    return (hash_integers(*parts, prefix=prefix) * high) >> 32


def normal(*parts: int | str | Tensor, prefix: int | Tensor = 0) -> Tensor:
    """Draw two independent standard normal numbers from one hash of the parts, by Box and Muller.

    With `u` and `v` the upper and the lower 32 bits of the hash `h` (see `hash_integers`) as fractions, the
    upper one in (0, 1] and the lower in [0, 1), these are `sqrt(-2 ln u)` times the cosine and the sine of
    `2 pi v`. They are computed in float64, so that devices agree in nearly every bit of the float32 result,
    and are never beyond 6.67.

    Args:
        *parts: as in `hash_integers`; at least one is a tensor, or `prefix` is.
        prefix: as in `hash_integers`.

    Returns:
        float32 tensor of the broadcast shape and a last dimension of 2.
    """
    if _is_on_cuda(prefix, *parts):
        return _draw_on_cuda("normal", prefix, parts)
    bits = _absorb(prefix, parts)
    assert isinstance(bits, Tensor), "normal numbers are drawn for tensors"
    upper = (shift_right(bits, 32) + 1).to(torch.float64) * 2.0**-32
    angle = (bits & 0xFFFFFFFF).to(torch.float64) * (math.tau * 2.0**-32)
    radius = (-2.0 * upper.log()).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).to(torch.float32)


def _is_on_cuda(*parts: int | str | Tensor) -> bool:
    """Whether the kernel of `engram.common.keyed_hash` draws; what is compiled is fused into as few by itself."""
    is_there = any(isinstance(part, Tensor) and part.is_cuda for part in parts)
    return is_there and not torch.compiler.is_compiling()


def _draw_on_cuda(
    kind: Any, state: int | Tensor, parts: tuple[int | str | Tensor, ...], bound: int | Tensor = 0
) -> Tensor:
    """Draw by one kernel; numbers before the first tensor are absorbed here."""
    from engram.common.keyed_hash import cuda

    rest: list[int | Tensor] = []
    for part in parts:
        if isinstance(part, Tensor):
            rest.append(part)
        elif rest or isinstance(state, Tensor):
            rest.append(signed(_integer(part)))
        else:
            state = _mix_integers(state, part)
    return cuda.draw(kind, state if isinstance(state, Tensor) else signed(state), rest, bound)


def _absorb(state: int | Tensor, parts: tuple[int | str | Tensor, ...]) -> int | Tensor:
    """Absorb parts into the 64-bit state, in tensors from the first tensor on."""
    tensors = [part for part in (state, *parts) if isinstance(part, Tensor)]
    if tensors and all(_is_one_number(tensor) for tensor in tensors) and not torch.compiler.is_compiling():
        # A batch of one: some fifteen operations on a tensor take ten times as long as on an integer.
        shape = (1,) * max(tensor.ndim for tensor in tensors)
        number = _absorb(_number(state), tuple(map(_number, parts)))
        assert isinstance(number, int)
        return torch.full(shape, signed(number))
    for part in parts:
        if isinstance(state, Tensor) or isinstance(part, Tensor):
            state = _mix_tensors(state, part)
        else:
            state = _mix_integers(state, part)
    return state


def _is_one_number(tensor: Tensor) -> bool:
    """Whether a tensor holds one number that the host can read at once."""
    return tensor.numel() == 1 and tensor.device.type == "cpu"


def _number(part: int | str | Tensor) -> Any:
    """The number in a tensor; what is none stays what it is."""
    return int(part.item()) if isinstance(part, Tensor) else part


def _mix_integers(state: int, part: int | str) -> int:
    """Absorb one part into the 64-bit state."""
    return mix_integer(((state + WEYL) ^ _integer(part)) & MASK)


def _mix_tensors(state: int | Tensor, part: int | str | Tensor) -> Tensor:
    """Absorb one part into the 64-bit state, where one of the two is a tensor."""
    total: Any = state + signed(WEYL) if isinstance(state, Tensor) else signed(state + WEYL)
    # In place: the sum is this function's own, and its memory is warm.
    return mix_(total ^ (part.to(torch.int64) if isinstance(part, Tensor) else signed(_integer(part))))


def _integer(part: int | str) -> int:
    """The integer that a part stands for."""
    return purpose(part) if isinstance(part, str) else part
