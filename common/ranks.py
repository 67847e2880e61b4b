"""The processes that train one run together, a rank each, and what they tell each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from engram.common.errors import RankLostError
from engram.common.zero_where import zero_unless

Value = TypeVar("Value")


class Ranks:
    """The processes of a run, as one of them sees them; this class itself is a process that is alone.

    Whatever is asked of all must be asked by all, in the same order: who has nothing to say says so. Numbers of all
    are added up in the order of the ranks, in float64, so that every rank has the same bits and comes to the same
    decision.

    Attributes:
        rank: of this process, from 0.
        count: of processes.
        local_rank: of this process on its machine.
        local_count: of processes on its machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def is_many(self) -> bool:
        """Whether there are several."""
        return self.count > 1

    @property
    def is_leader(self) -> bool:
        """Whether this is the one that logs, evaluates and saves."""
        return self.rank == 0

    def part(self, length: int) -> slice:
        """The part of `length` things that is this rank's: as many for each, the first ones one more."""
        size, more = divmod(length, self.count)
        begin = self.rank * size + min(self.rank, more)
        return slice(begin, begin + size + (self.rank < more))

    def gather(self, x: Tensor) -> Tensor:
        """Stack what every rank has, of one shape, `[count, …]`."""
        return x.unsqueeze(0)

    def gather_rows(self, x: Tensor) -> Tensor:
        """Put what every rank has one after the other, `[sum of n, …]` of `[n, …]`."""
        return x

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all ranks, in place."""

    def copy_leader(self, tensors: Iterable[Tensor]) -> None:
        """Write the leader's numbers into tensors, in place."""

    def share(self, value: Value) -> Value:
        """Give every rank the leader's value."""
        return value

    def collect(self, value: Value) -> list[Value]:
        """Give every rank the values of all, in the order of the ranks."""
        return [value]

    def collect_at_leader(self, value: Value) -> list[Value]:
        """Give the leader the values of all, and the others nothing."""
        return [value]

    def speaks_first(self) -> bool:
        """Whether no other rank has told of what ends the run: one sentence is enough."""
        return True

    def __deepcopy__(self, memo: Any) -> Ranks:
        """Networks are copied, and the processes stay those that they are."""
        return self

    def any(self, says: bool) -> bool:
        """Tell whether one of them says so."""
        if not self.is_many:
            return says
        return bool(self.gather(torch.tensor(says)).any())

    def meet(self) -> None:
        """Wait until all of them have come here."""
        self.any(False)

    def total(self, number: int) -> int:
        """Add up a whole number of every rank."""
        if not self.is_many:
            return number
        return int(self.gather(torch.tensor(number)).sum())

    def largest(self, x: Tensor) -> Tensor:
        """Return the largest of all ranks' numbers, `[…]` each."""
        return self.gather(x).amax(0) if self.is_many else x

    def means(self, sums: Tensor, count: Tensor) -> Tensor:
        """Divide sums over rows by the number of rows, both of all ranks.

        The means are those of all ranks; their gradient is this rank's share, which `add_gradients` completes.

        Args:
            sums: of this rank, `[n]`.
            count: of rows of this rank, `[]`.

        Returns:
            `[n]`; 0 where there is no row.
        """
        if not self.is_many:
            return sums / count.clamp(min=1)
        means: Tensor = _Means.apply(sums, count, self)
        return means

    def moments(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Merge the moments of all ranks' numbers.

        Args:
            x: `[*, n]`.
            mask: which count, `[*]` bool.

        Returns:
            How many count `[]`, their mean and the sum of their squared deviations from it `[n]`, in float64.

        Source: Chan, Golub and LeVeque 1979. The sum of squares less the squared sum would lose all digits of numbers
        that are far from 0.
        """
        counted, x = mask.unsqueeze(-1), x.double()
        over = tuple(range(mask.ndim))
        count = mask.sum().double()
        mean = zero_unless(counted, x).sum(over) / count.clamp(min=1)
        squares = zero_unless(counted, x - mean).square().sum(over)
        if not self.is_many:
            return count, mean, squares
        size = len(mean)
        found = self.gather(torch.cat([count.unsqueeze(0), mean, squares]))
        counts, means = found[:, :1], found[:, 1 : size + 1]
        total = counts.sum()
        mean = (counts * means).sum(0) / total.clamp(min=1)
        squares = (found[:, size + 1 :] + counts * (means - mean).square()).sum(0)
        return total, mean, squares


class _Means(torch.autograd.Function):
    """Forward the means of all ranks, backward the share of one."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, count: Tensor, ranks: Ranks) -> Tensor:
        found = ranks.gather(torch.cat([sums.double(), count.double().unsqueeze(0)])).sum(0)
        ctx.count = found[-1].clamp(min=1)
        return (found[:-1] / ctx.count).to(sums.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad / ctx.count.to(grad.dtype), None, None


ALONE = Ranks()
"""A run of one process."""


class ProcessGroup(Ranks):
    """Several processes that torch's default process group joins.

    Args:
        rank: of this process.
        count: of processes.
        store: what all of them reach, also when one of them is gone.
        local_rank: of this process on its machine. Default: all are on one.
        local_count: of processes on its machine.
    """

    def __init__(
        self,
        rank: int,
        count: int,
        store: Any = None,
        local_rank: int | None = None,
        local_count: int | None = None,
    ) -> None:
        self.rank, self.count, self._store = rank, count, store
        self.local_rank = rank if local_rank is None else local_rank
        self.local_count = count if local_count is None else local_count

    def gather(self, x: Tensor) -> Tensor:  # noqa: D102
        import torch.distributed as dist

        found = torch.empty(self.count, *x.shape, dtype=x.dtype, device=x.device)
        with _lost_ranks():
            dist.all_gather(list(found.unbind()), x.contiguous())
        return found

    def gather_rows(self, x: Tensor) -> Tensor:  # noqa: D102
        lengths = self.gather(torch.tensor(len(x))).tolist()
        padded = x.new_zeros(max(lengths), *x.shape[1:])
        padded[: len(x)] = x
        found = self.gather(padded)
        return torch.cat([own[:length] for own, length in zip(found, lengths, strict=True)])

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:  # noqa: D102
        import torch.distributed as dist

        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with _lost_ranks():
            dist.all_reduce(flat)
        parts = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(
            gradients, [part.view_as(own) for part, own in zip(parts, gradients, strict=True)]
        )

    def copy_leader(self, tensors: Iterable[Tensor]) -> None:  # noqa: D102
        import torch.distributed as dist

        for tensor in tensors:
            with _lost_ranks():
                dist.broadcast(tensor, 0)

    def share(self, value: Value) -> Value:  # noqa: D102
        import torch.distributed as dist

        told: list[Any] = [value]
        with _lost_ranks():
            dist.broadcast_object_list(told, 0, device=torch.device("cpu"))
        shared: Value = told[0]
        return shared

    def collect(self, value: Value) -> list[Value]:  # noqa: D102
        import torch.distributed as dist

        found: list[Any] = [None] * self.count
        with _lost_ranks():
            dist.all_gather_object(found, value)
        return found

    def collect_at_leader(self, value: Value) -> list[Value]:  # noqa: D102
        import torch.distributed as dist

        found: list[Any] = [None] * self.count if self.is_leader else []
        with _lost_ranks():
            dist.gather_object(value, found if self.is_leader else None, 0)
        return found

    def speaks_first(self) -> bool:  # noqa: D102
        try:
            return bool(self._store.add("engram/told", 1) == 1)
        except (RuntimeError, AttributeError):  # whoever kept the store is gone
            return True


@contextlib.contextmanager
def _lost_ranks() -> Iterator[None]:
    """Know an operation of torch that fails because a rank is gone.

    Raises:
        RankLostError: in place of its error.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(" ".join(str(error).split())) from error
