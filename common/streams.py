"""Streams of draws: an int64 key names a stream, and its n-th draw is one SplitMix64 hash of key and n.

So any draw can be made again, alone, in any process and on any device. For draws named by what they are for, part by
part, see `engram.common.random`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from engram.common.splitmix64 import MULTIPLIERS, WEYL, mix_, mix_array, shift_right, signed

_WEYL, _COUNTER_STEP = signed(WEYL), signed(MULTIPLIERS[1])
# The same for arrays, as numbers of their dtypes: to convert one takes as long as to use it.
_ARRAY_STEP, _ARRAY_SHIFT = np.uint64(MULTIPLIERS[1]), np.uint64(41)
_HALF, _SMALLEST = np.float32(0.5), np.float32(2.0**-23)


def stream_key(*parts: int | str) -> int:
    """Name a stream of draws by a seed, a purpose and anything else that sets it apart.

    Args:
        *parts: integers and strings.

    Returns:
        A key in [0, 2**63).
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextlib.contextmanager
def seeded_initializers(key: int) -> Iterator[None]:
    """Seed the host's global generator, from which initialisers draw, and leave it in the end as it was before.

    Generators of devices are not touched: parameters are drawn in host memory, and forking theirs would open a
    context on every GPU of the machine.

    Args:
        key: the seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key)
        yield


def environment_keys(key: int | Tensor, batch_size: int, first_index: int, device: torch.device) -> Tensor:
    """Derive one stream per environment from `key`.

    Args:
        key: from `stream_key`; a recorded update has it as a tensor on the device.
        batch_size: number of environments B.
        first_index: global index of the first one, so that several processes draw different noise.
        device: where the keys live.

    Returns:
        int64 `[B]`.
    """
    index = torch.arange(first_index, first_index + batch_size, dtype=torch.int64, device=device)
    return mix_(key + (index + 1) * _WEYL)


def stream_uniform(keys: Tensor, counter: Tensor, count: int) -> Tensor:
    """Draw `count` uniform numbers for every stream at its counter.

    Args:
        keys: streams `[B]` int64.
        counter: which draw of each stream `[B]` int64.
        count: numbers per draw.

    Returns:
        float32 `[B, count]`, strictly between 0 and 1: (k + ½) / 2²³.
    """
    if keys.is_cuda and not torch.compiler.is_compiling():
        from engram.common.keyed_hash import cuda

        return cuda.stream_uniform(keys, counter, count)
    # Two odd steps, so that draws and the numbers within one walk apart; a single mix, as this is on the
    # path of every action.
    column = torch.arange(1, count + 1, dtype=torch.int64, device=keys.device) * _WEYL
    state = torch.add(keys, counter, alpha=_COUNTER_STEP).unsqueeze(-1) + column
    bits = shift_right(mix_(state), 41)
    return (bits.float() + 0.5) * 2.0**-23


def host_uniform(keys: np.ndarray, counters: np.ndarray, count: int) -> np.ndarray:
    """Draw the numbers of `stream_uniform` without torch, whose operations take longer than these at a batch of one.

    Args:
        keys: streams `[B]` uint64: the bits of the int64 ones.
        counters: which draw of each stream `[B]` uint64.
        count: numbers per draw.

    Returns:
        float32 `[B, count]`.
    """
    state = (keys + counters * _ARRAY_STEP)[:, None] + _array_column(count)
    bits = mix_array(state) >> _ARRAY_SHIFT
    drawn: np.ndarray = (bits.astype(np.float32) + _HALF) * _SMALLEST
    return drawn


@functools.cache
def _array_column(count: int) -> np.ndarray:
    """What sets the numbers of one draw apart."""
    return np.arange(1, count + 1, dtype=np.uint64) * np.uint64(WEYL)


def stream_noise(key: Tensor, *shape: int) -> Tensor:
    """Draw uniform numbers by `key` alone.

    Args:
        key: from `stream_key`, int64 without dimensions.
        *shape: of the numbers; every row of the last dimension is a draw of its own.

    Returns:
        float32 `shape`, strictly between 0 and 1, on the key's device.
    """
    *batch, count = shape
    keys = environment_keys(key, math.prod(batch), 0, key.device)
    return stream_uniform(keys, torch.zeros_like(keys), count).reshape(shape)


def whole_numbers(key: int, count: int) -> Tensor:
    """Draw `count` whole numbers by `key` alone, to be taken modulo a much smaller number.

    Args:
        key: from `stream_key`.
        count: how many.

    Returns:
        int64 `[count]` on the CPU, in [0, 2**63).
    """
    return shift_right(environment_keys(key, count, 0, torch.device("cpu")), 1)


def fractions(numbers: Tensor) -> Tensor:
    """Turn whole numbers in [0, 2**63), as of `whole_numbers`, into float64 ones in [0, 1)."""
    return (numbers >> 10).double() * 2.0**-53


def permutation(n: int, key: int) -> Tensor:
    """Shuffle 0 … n-1 by `key` alone.

    Args:
        n: length.
        key: from `stream_key`.

    Returns:
        int64 `[n]` on the CPU.
    """
    return torch.randperm(n, generator=torch.Generator().manual_seed(key))
