"""Joining the processes that `torchrun` has started for one run."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from datetime import timedelta

import torch

from engram.common.ranks import ALONE, ProcessGroup, Ranks

# Others wait while the leader evaluates and saves; who is gone is found at once, by its connection.
_PATIENCE = timedelta(days=7)


@contextlib.contextmanager
def launched_ranks() -> Iterator[Ranks]:
    """Join the other processes within the block, by the variables that `torchrun` sets; without them this one is alone.

    Tensors in host memory go by gloo, those on CUDA devices by NCCL.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if "RANK" not in os.environ or count in ("", "1"):
        yield ALONE
        return
    import torch.distributed as dist

    store, rank, size = next(dist.rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        local_rank, local_count = (
            int(os.environ.get(name, default))
            for name, default in (("LOCAL_RANK", rank), ("LOCAL_WORLD_SIZE", size))
        )
        yield ProcessGroup(rank, size, store, local_rank, local_count)
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def quiet_unless(is_leader: bool) -> Iterator[None]:
    """Within the block say nothing on standard error, unless this is the process that does: its errors come after."""
    with contextlib.nullcontext() if is_leader else contextlib.redirect_stderr(io.StringIO()):
        yield


def launch_command(command: str, ranks: Ranks) -> str:
    """Turn the command of one process into that of as many."""
    if not ranks.is_many:
        return command
    words = command.removeprefix("engram train ")
    return f"torchrun --nproc-per-node {ranks.local_count} -m engram.scripts.train {words}"
