"""Episode segments of a batch of sequences, packed so that one loop runs them all without resets."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The rows of a batch [B, T] ordered by their place in their episode segment.

    Every `is_first` cuts its environment's sequence, so that a segment begins either with an episode or
    with the carry. Segments are ranked by length, longest first; packed row `offset[t] + rank` is row t of
    that segment. At each place the segments still running are then the first `sizes[t]`, the reset has
    become a fresh segment, and the loop is as long as the longest segment only.
    """

    num_segments: int
    sizes: list[int]
    """Segments that have a row t, for each t."""
    order: Tensor
    """Row b * T + t of the batch for each packed row, [B * T]."""
    slot: Tensor
    """Packed row for each row of the batch, [B * T]: the inverse of `order`."""
    carried: Tensor
    """Rank of the segment which holds row 0 of each environment, [B]."""
    last: Tensor
    """Rank of the segment which holds the last row of each environment, [B]."""
    previous: Tensor
    """For each packed row where its predecessor is, [B * T], if the segments' initial states are put
    before the packed states."""

    @staticmethod
    def of(is_first: Tensor) -> "Packing":
        """Pack the sequences of `is_first`, [B, T] bool in host memory."""
        batch, length = is_first.shape
        begins = is_first.clone()
        begins[:, 0] = True
        first_rows = begins.flatten().nonzero().squeeze(1)  # [num_segments]
        lengths = torch.diff(first_rows, append=torch.tensor([batch * length]))
        by_length = lengths.argsort(descending=True, stable=True)
        rank = torch.empty_like(by_length)
        rank[by_length] = torch.arange(len(rank))
        segment = begins.flatten().cumsum(0) - 1  # [B * T]
        place = torch.arange(batch * length) - first_rows[segment]
        sizes = place.bincount()
        offsets = sizes.cumsum(0) - sizes
        slot = offsets[place] + rank[segment]
        order = torch.empty_like(slot)
        order[slot] = torch.arange(len(slot))
        back = torch.cat([rank.new_tensor([len(rank)]), sizes[:-1]]).repeat_interleave(sizes)
        return Packing(
            num_segments=len(rank),
            sizes=sizes.tolist(),
            order=order,
            slot=slot,
            carried=rank[segment[::length]],
            last=rank[segment[length - 1 :: length]],
            previous=torch.arange(len(slot)) + len(rank) - back,
        )

    def to(self, device: torch.device) -> "Packing":
        """Move the indices to a device, in one copy which neither host nor device waits for."""
        if device.type == "cpu":
            return self
        names = ("order", "slot", "carried", "last", "previous")
        parts = [getattr(self, name) for name in names]
        joined = torch.cat(parts)
        if device.type == "cuda":
            joined = joined.pin_memory()  # a copy from other memory would wait
        moved = joined.to(device, non_blocking=True).split([len(part) for part in parts])
        return replace(self, **dict(zip(names, moved, strict=True)))

    def pack(self, rows: Tensor) -> Tensor:
        """Order rows [B, T, D] into packed rows [B * T, D]."""
        return rows.flatten(0, 1).index_select(0, self.order)

    def unpack(self, packed: Tensor) -> Tensor:
        """Order packed rows [B * T, D] back into [B, T, D]."""
        return packed.index_select(0, self.slot).unflatten(0, (len(self.carried), -1))

    def begin_segments(self, carry: Tensor) -> Tensor:
        """Give each segment the state it begins with, [num_segments, D]: zeros but for the carried ones."""
        zeros = carry.new_zeros(self.num_segments, carry.shape[1])
        return zeros.index_copy(0, self.carried, carry)

    def begin(self, carry: Tensor) -> Tensor:
        """Make room for the segments' initial states and, after them, the packed states.

        Args:
            carry: What the environments' first segments begin with, [B, D]; the others begin with zeros.

        Returns:
            The room, [num_segments + B * T, D], its first part filled.
        """
        states = carry.new_empty(self.num_segments + len(self.order), carry.shape[1])
        states[: self.num_segments].zero_().index_copy_(0, self.carried, carry)
        return states

    def begin_gradient(self, grad: Tensor | None, like: Tensor) -> Tensor:
        """Make the gradients to the states of `begin`, with `grad`, [B, T, D], in the second part."""
        grads = torch.zeros_like(like)
        if grad is not None:
            torch.index_select(grad.flatten(0, 1), 0, self.order, out=grads[self.num_segments :])
        return grads

    def split(self, packed: Tensor) -> tuple[Tensor, ...]:
        """View packed rows place by place."""
        return packed.split(self.sizes)

    def split_states(self, states: Tensor) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """View the states of `begin` place by place: those before each place, and those after it."""
        chunks = states.split([self.num_segments, *self.sizes])
        before = [chunk[:size] for chunk, size in zip(chunks[:-1], self.sizes, strict=True)]
        return before, chunks[1:]
