"""Ranks that are threads of one process: what processes tell each other, without any."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from engram.common.errors import RankLostError
from engram.common.ranks import Ranks


class ThreadRanks(Ranks):
    """One of several threads, which meet in a list and at a barrier."""

    def __init__(self, rank, count, said, barrier):
        self.rank, self.count = rank, count
        self.local_rank, self.local_count = rank, count
        self._said, self._barrier = said, barrier

    def collect(self, value):
        try:
            self._said[self.rank] = copy.copy(value)
            self._barrier.wait(60)
            found = list(self._said)
            self._barrier.wait(60)
        except threading.BrokenBarrierError:
            raise RankLostError("a thread is gone") from None
        return found

    def gather(self, x):
        return torch.stack(self.collect(x.detach().clone()))

    def gather_rows(self, x):
        return torch.cat(self.collect(x.detach().clone()))

    def add_gradients(self, parameters):
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.copy_(self.gather(parameter.grad).sum(0))

    def copy_leader(self, tensors):
        for tensor in tensors:
            tensor.copy_(self.collect(tensor.clone())[0])

    def share(self, value):
        return self.collect(value)[0]

    def collect_at_leader(self, value):
        found = self.collect(value)
        return found if self.is_leader else []

    def leave(self):
        """Let the others know that this one does not come back."""
        self._barrier.abort()


def together(count, function):
    """Call a function with the ranks of so many threads at once; returns what each returned."""
    said, barrier = [None] * count, threading.Barrier(count)

    def run(rank):
        ranks = ThreadRanks(rank, count, said, barrier)
        try:
            return function(ranks)
        except BaseException:
            ranks.leave()
            raise

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(run, rank) for rank in range(count)]
        faults = [one.exception() for one in running]
    told = [fault for fault in faults if fault is not None and not isinstance(fault, RankLostError)]
    for fault in told or [fault for fault in faults if fault is not None]:
        raise fault
    return [one.result() for one in running]
