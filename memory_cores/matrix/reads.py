"""Matrix memories taken apart by the rows that wrote, with the arguments of the memories themselves."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from engram.memory_cores.carry import select_initial
from engram.memory_cores.matrix.maxima import running_maxima_reference
from engram.memory_cores.matrix.reference import EPSILON
from engram.memory_cores.matrix.stabilised import joined
from engram.memory_cores.reads import LinearRead, linear_read


def decayed_read(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
    of_values: bool = False,
) -> LinearRead:
    """Take apart what `decayed_memory` reads, heads side by side, n = H V."""

    def write(t: int) -> Tensor:
        return key[:, t].unsqueeze(-1) * value[:, t].unsqueeze(-2)

    return linear_read(
        lambda t, parts: _decayed(parts, log_decay, t, of_values),
        write,
        lambda t, parts: _read(query[:, t], parts),
        is_first,
        state,
    )


def delta_read(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    strength: Tensor,
    log_decay: Tensor | None,
    is_first: Tensor,
    state: Tensor,
) -> LinearRead:
    """Take apart what `delta_memory` reads, heads side by side, n = H V."""

    def move(t: int, parts: Tensor) -> Tensor:
        parts, k = _decayed(parts, log_decay, t), key[:, t]
        held = torch.einsum("bhk,bshkv->bshv", k, parts) * strength[:, t, None, :, None]
        return parts - k[:, None, :, :, None] * held.unsqueeze(-2)

    def write(t: int) -> Tensor:
        return key[:, t].unsqueeze(-1) * (strength[:, t].unsqueeze(-1) * value[:, t]).unsqueeze(-2)

    return linear_read(move, write, lambda t, parts: _read(query[:, t], parts), is_first, state)


def stabilised_read(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    input_gate: Tensor,
    forget_gate: Tensor,
    is_first: Tensor,
    states: tuple[Tensor, Tensor, Tensor],
) -> LinearRead:
    """Take apart what `stabilised_memory` reads, n = H V: given the normaliser, it is linear in the values."""
    gain = logsigmoid(forget_gate)
    maximum = running_maxima_reference(input_gate, gain, is_first, states[2])
    before = torch.cat([states[2].unsqueeze(1), maximum[:, :-1]], dim=1)
    log_decay = select_initial(is_first, 0.0, before) + gain - maximum
    width = value.shape[-1]
    value, state = joined(value, states)
    key = key * (input_gate - maximum).exp().unsqueeze(-1)
    found = decayed_read(query, key, value, log_decay, is_first, state)
    contributions, carried = (part.unflatten(-1, (-1, width + 1)) for part in found)
    normaliser = contributions[..., -1].sum(2) + carried[..., -1]  # [B, T, H]
    scale = 1 / (torch.maximum(normaliser.abs(), (-maximum).exp()) + EPSILON)
    contributions = contributions[..., :-1] * scale[:, :, None, :, None]
    return LinearRead(contributions.flatten(-2), (carried[..., :-1] * scale.unsqueeze(-1)).flatten(-2))


def _decayed(parts: Tensor, log_decay: Tensor | None, t: int, of_values: bool = False) -> Tensor:
    """Let parts of matrices fade, [B, S, H, K, V]."""
    if log_decay is None:
        return parts
    left: Any = log_decay[:, t].exp().unsqueeze(1)  # [B, 1, H] or [B, 1, H, K or V]
    if left.dim() == 3:
        return parts * left[..., None, None]
    return parts * (left.unsqueeze(-2) if of_values else left.unsqueeze(-1))


def _read(query: Tensor, parts: Tensor) -> Tensor:
    return torch.einsum("bhk,bshkv->bshv", query, parts).flatten(2)
