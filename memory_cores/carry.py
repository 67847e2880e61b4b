"""What a carry is made of: its leaves, and how they begin, are reset and are picked from the states of all rows."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Literal, NamedTuple

import torch
from tensordict import NestedKey, TensorDict
from torch import Tensor

from engram.common.zero_where import zero_where


class Leaf(NamedTuple):
    """One tensor of a carry, as a core states it.

    Attributes:
        shape: Without the batch.
        kind: "state" is float32 at least (see `state_dtype`) and "complex" complex64 at least, since there are no
            complex numbers of half precision worth the name; "stored" is of the parameters' dtype; "count" is int64 and
            "flag" is bool, which take no gradient. Default: "state".
        initial: What an episode begins with, of this shape; None is zero. Default: None.
        takes_gradient: Whether a gradient may come back to it; only numbers can take one. Default: True.
    """

    shape: tuple[int, ...]
    kind: Literal["state", "complex", "stored", "count", "flag"] = "state"
    initial: Tensor | None = None
    takes_gradient: bool = True

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers that a gradient could reach."""
        return self.kind not in ("count", "flag")

    @property
    def start(self) -> Tensor | float:
        """What to select where an episode begins."""
        if self.initial is not None:
            return self.initial
        return 0.0 if self.is_number else 0 if self.kind == "count" else False

    def begin(self, batch_size: int, like: Tensor) -> Tensor:
        """Make what an episode begins with, [B, *shape], on the device of a parameter and by its dtype."""
        dtype = {
            "state": state_dtype(like.dtype),
            "complex": torch.promote_types(like.dtype, torch.complex64),
            "stored": like.dtype,
            "count": torch.int64,
            "flag": torch.bool,
        }[self.kind]
        if self.initial is None:
            return like.new_zeros(batch_size, *self.shape, dtype=dtype)
        return self.initial.to(dtype).repeat(batch_size, *(1 for _ in self.shape))


CarrySpec = Mapping[str, Any]
"""For each key of a carry a `Leaf`, a `MemoryCore` whose carry lies there, or a `CarrySpec` of what is nested."""


def begin_carry(spec: CarrySpec, batch_size: int, like: Tensor) -> TensorDict:
    """Make the carry an episode begins with, batch size [B], on the device of a parameter and by its dtype."""
    carry: dict[str, Any] = {}
    for key, entry in spec.items():
        if isinstance(entry, Leaf):
            carry[key] = entry.begin(batch_size, like)
        elif isinstance(entry, Mapping):
            carry[key] = begin_carry(entry, batch_size, like)
        else:
            carry[key] = entry.initial_carry(batch_size)
    return TensorDict(carry, batch_size=[batch_size])


def no_gradient_keys(spec: CarrySpec) -> Iterator[NestedKey]:
    """List the keys of what takes no gradient, those of nested carries as tuples."""
    for key, entry in spec.items():
        if isinstance(entry, Leaf):
            if not (entry.is_number and entry.takes_gradient):
                yield key
            continue
        inside = no_gradient_keys(entry) if isinstance(entry, Mapping) else entry.no_gradient_keys
        yield from ((key, *(name if isinstance(name, tuple) else (name,))) for name in inside)


def carry_features(spec: CarrySpec, carry: TensorDict) -> Iterator[Tensor]:
    """Read the numbers of a carry of batch size [...], key by key, [..., n] each."""
    for key, entry in spec.items():
        if isinstance(entry, Leaf):
            if entry.is_number:
                yield real_features(carry[key], len(carry.batch_size))
        elif isinstance(entry, Mapping):
            yield from carry_features(entry, carry[key])
        elif entry.carry_size():
            yield entry.carry_features(carry[key])


def state_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that a recurrence is computed and carried in for parameters of a dtype: float32 at least.

    Rounded to half precision at every row, a state would depend on where a sequence is cut, and what is chosen by it,
    as HCAM's chunks are, could be another choice.
    """
    return torch.promote_types(dtype, torch.float32)


def select_initial(is_first: Tensor, initial: Tensor | float, value: Tensor) -> Tensor:
    """Select the initial value where an episode begins.

    Args:
        is_first: Whether a row begins an episode, [...] bool.
        initial: What an episode begins with, a number or broadcastable to `value`.
        value: What was carried so far, [..., *].

    Returns:
        A new tensor shaped and typed like `value`; the value not selected leaves no trace, NaN included.
    """
    condition = is_first.reshape(is_first.shape + (1,) * (value.dim() - is_first.dim()))
    if not isinstance(initial, Tensor) and initial == 0:
        return zero_where(condition, value)
    return torch.where(condition, initial, value)


def take_rows(states: Tensor, carry_every: int) -> Tensor:
    """Pick from the states of all rows those that `forward` returns.

    Args:
        states: States after every row, [B, T, ...].
        carry_every: 0 for the last row's, k for those of rows k-1, 2k-1, ….

    Returns:
        States, [B, ...] or [B, T // carry_every, ...].
    """
    if carry_every == 0:
        # A clone, since a view would keep the states of all T rows alive for as long as the carry lives. Not of one
        # row: torch.compile drops such a clone without telling the reverse, which then writes over the carry.
        return states[:, -1].clone() if states.shape[1] > 1 else states[:, 0]
    return states[:, carry_every - 1 :: carry_every]


def real_features(state: Tensor, batch_dims: int) -> Tensor:
    """Flatten what follows the batch dimensions into real numbers, [..., n]."""
    real = torch.view_as_real(state) if state.is_complex() else state
    return real.reshape(*state.shape[:batch_dims], prod(real.shape[batch_dims:]))
