"""A bounded store of the episode's last tokens, the engine of the cores that attend to their past.

The store is a ring: token i of an episode (its row counted from 0) lies in slot i mod R. One counter per
environment, the number of rows the episode has had, says everything else: which slot comes next, which slots
hold a token of this episode, and how old it is.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from engram.common.tracing import is_traced
from engram.memory_cores.carry import select_initial


class Timeline(NamedTuple):
    """Where the rows of a sequence lie in their episodes, [B, T] each.

    Attributes:
        begin: The row where the row's episode began; not above 0 for the one that was carried in.
        position: Rows of the episode before this one.
        is_carried: Whether no episode has begun yet, so that what was carried in still holds.
    """

    begin: Tensor
    position: Tensor
    is_carried: Tensor


def timeline(count: Tensor, is_first: Tensor) -> Timeline:
    """Place rows in their episodes.

    Args:
        count: Rows that the carried episode has had, [B] int.
        is_first: Whether a row begins an episode, [B, T].
    """
    rows = torch.arange(is_first.shape[1], device=count.device)
    begin = torch.where(is_first, rows, -count.unsqueeze(1)).cummax(dim=1).values
    return Timeline(begin, rows - begin, is_first.cumsum(dim=1) == 0)


def finite(tokens: Tensor) -> Tensor:
    """Replace what is not finite by zero.

    In a product over many tokens, a weight of zero does not take a NaN away, nor does the gradient's zero.
    A row that is not finite still shows in its own output, but it cannot spoil another row's.
    """
    return torch.nan_to_num(tokens, nan=0.0, posinf=0.0, neginf=0.0)


def from_finite(read: Tensor, rows: Tensor) -> Tensor:
    """Make what was read NaN for rows that were not finite.

    No gradient then comes in there: a NaN would reach all rows, through weights of zero.

    Args:
        read: [*, n].
        rows: What asked, before `finite`, [*, n].

    Returns:
        [*, n].
    """
    return torch.where(rows.isfinite().all(dim=-1, keepdim=True), read, torch.nan)


def take(x: Tensor, index: Tensor) -> Tensor:
    """Pick entries along dimension 1, other ones in every environment.

    Args:
        x: [B, N, *].
        index: [B, ...] int, in [0, N).

    Returns:
        [B, ..., *].
    """
    batch, length = x.shape[:2]
    offset = torch.arange(batch, device=x.device).reshape(-1, *(1,) * (index.dim() - 1)) * length
    return x.flatten(0, 1).index_select(0, (index + offset).flatten()).view(*index.shape, *x.shape[2:])


def empty_(x: Tensor, is_empty: Tensor) -> Tensor:
    """Set entries to zero in place.

    Args:
        x: [..., *].
        is_empty: [...] bool.

    Returns:
        `x`.
    """
    if x.device.type == "cpu" and not is_traced():
        # Touches only what is to be emptied, which is seldom much; a device would have to wait for the flags.
        index = is_empty.flatten().nonzero().squeeze(1)
        x.view(-1, *x.shape[is_empty.dim() :]).index_fill_(0, index, 0.0)
        return x
    return x.masked_fill_(is_empty.reshape(*is_empty.shape, *(1,) * (x.dim() - is_empty.dim())), 0.0)


def clear(store: Tensor, is_first: Tensor, donate: bool) -> Tensor:
    """Empty the store where an episode begins.

    Args:
        store: [B, *].
        is_first: [B] bool.
        donate: Overwrite `store`.

    Returns:
        The store [B, *], a new tensor unless `donate`.
    """
    return empty_(store, is_first) if donate else select_initial(is_first, 0.0, store)


def write(store: Tensor, slot: Tensor, value: Tensor, donate: bool) -> Tensor:
    """Put one value into one slot of every environment; with `donate` at a cost that no store's size changes.

    Args:
        store: [B, R, D].
        slot: [B] int.
        value: [B, D].
        donate: Overwrite `store`.

    Returns:
        The store [B, R, D], a new tensor unless `donate`.
    """
    rows = torch.arange(store.shape[0], device=store.device)
    put = store.index_put_ if donate else store.index_put
    return put((rows, slot), value.to(store.dtype))


def unroll(store: Tensor, count: Tensor, length: int) -> Tensor:
    """Read the last tokens before row 0 in the order of time.

    Args:
        store: [B, R, D].
        count: Rows the carried episode has had, [B] int.
        length: Number of tokens, at most R.

    Returns:
        Finite tokens, oldest first, zero before the episode's beginning, [B, length, D].
    """
    token = count.unsqueeze(1) - length + torch.arange(length, device=count.device)
    kept = take(store, token.remainder(store.shape[1]))
    return finite(torch.where((token >= 0).unsqueeze(-1), kept, 0.0))


def stores_after(
    store: Tensor, values: Tensor, source: Tensor, is_carried: Tensor, carry_every: int
) -> Tensor:
    """Make the stores as they are after some rows of a sequence.

    Args:
        store: The store before row 0, [B, R, D].
        values: What the rows have to give, [B, T, D].
        source: The row whose value a slot holds, negative if it is none of these, [B, N, R] int.
        is_carried: Whether a slot with a negative source holds what it held before row 0 (else it is empty),
            [B, N].
        carry_every: As `forward` has it; with 0, N is 1 and dropped.

    Returns:
        [B, R, D] or [B, N, R, D].
    """
    size = store.shape[1]
    is_new = source >= 0
    index = torch.where(is_new, source + size, torch.arange(size, device=store.device))
    taken = take(torch.cat([store, values.to(store.dtype)], dim=1), index)
    taken = torch.where((is_new | is_carried.unsqueeze(-1)).unsqueeze(-1), taken, 0.0)
    return taken if carry_every else taken.squeeze(1)


def rows_kept(length: int, carry_every: int, device: torch.device) -> Tensor:
    """Number the rows after which `forward` returns the carry, [N]; the last one if `carry_every` is 0."""
    if carry_every == 0:
        return torch.arange(length - 1, length, device=device)
    return torch.arange(carry_every - 1, length, carry_every, device=device)


def counts_after(time: Timeline, carry_every: int) -> Tensor:
    """Count the rows their episodes have had after some rows, [B] or with `carry_every` [B, T // carry_every]."""
    counts = time.position[:, rows_kept(time.position.shape[1], carry_every, time.position.device)] + 1
    return counts if carry_every else counts.squeeze(1)


def tokens_after(store: Tensor, tokens: Tensor, time: Timeline, carry_every: int) -> Tensor:
    """Make the rings of tokens after some rows of a sequence.

    Args:
        store: The ring before row 0, [B, R, D].
        tokens: One for each row, [B, T, D].
        time: Of the rows.
        carry_every: As `forward` has it.

    Returns:
        [B, R, D] or [B, T // carry_every, R, D].
    """
    size = store.shape[1]
    rows = rows_kept(tokens.shape[1], carry_every, store.device)
    position = time.position[:, rows].unsqueeze(-1)
    age = (position - torch.arange(size, device=store.device)).remainder(size)
    source = torch.where(age <= position, rows.unsqueeze(-1) - age, -1)
    return stores_after(store, tokens, source, time.is_carried[:, rows], carry_every)
