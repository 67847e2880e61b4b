"""Runs of several threads or processes, beside those of one."""

import contextlib
import multiprocessing
import sys
import tempfile
import threading
import traceback
from datetime import timedelta
from unittest import mock

import torch
from safetensors.torch import load_file
from thread_ranks import together

import engram.agents.base
import engram.api.starting
from engram.api.training_run import train_run
from engram.common.ranks import ALONE
from engram.training.stop_request import StopRequest

QUIET = ["logging.progress=false", "logging.curve=false", "logging.to=[]"]
SMALL = [
    "evaluation.interval=null",
    *("core=gru", "core.hidden_size=8", "env=diagnostic/recall_first", "env.delay=3"),
    *("agent.make_network.head_hidden_sizes=[16]", "agent.make_network.make_encoder.hidden_sizes=[16]"),
]


def train_alone(*words, ranks=ALONE):
    """Train in this thread."""
    return train_run([*QUIET, *words], StopRequest(None), str, ranks=ranks)


def train_in_threads(count, *words):
    """Train in so many threads at once, which takes no new process: what processes share is locked."""
    lock = threading.Lock()
    compose, seeded = engram.api.starting.compose_config, engram.agents.base.seeded_initializers

    def composed(*arguments):
        with lock:
            return compose(*arguments)

    @contextlib.contextmanager
    def one_at_a_time(key):
        with lock, seeded(key):
            yield

    with (
        mock.patch.object(engram.api.starting, "compose_config", composed),
        mock.patch.object(engram.agents.base, "seeded_initializers", one_at_a_time),
    ):
        return together(count, lambda ranks: train_alone(*words, ranks=ranks))


def train_ranked(count, *commands):
    """Train each of these lists of words in one world of so many new processes."""
    context = multiprocessing.get_context("spawn")
    faults = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (count, f"{folder}/meeting", commands, faults)
        processes = [context.Process(target=_train_as, args=(rank, *arguments)) for rank in range(count)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert faults.empty(), faults.get()


def _train_as(rank, count, meeting, commands, faults):
    import torch.distributed as dist

    from engram.common.ranks import ProcessGroup

    torch.set_num_threads(1)
    store = dist.FileStore(meeting, count)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=timedelta(minutes=2))
    sys.stderr = sys.stdout if rank == 0 else open("/dev/null", "w")
    try:
        for words in commands:
            train_alone(*words, ranks=ProcessGroup(rank, count, store))
    except BaseException:
        faults.put(traceback.format_exc())
        raise
    finally:
        dist.destroy_process_group()


def assert_same(one, other):
    """Hold the last checkpoints of two runs against each other, tensor by tensor."""
    a, b = (load_file(run / "checkpoints" / "latest.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    found = {name: (a[name].double() - b[name].double()).abs().max().item() for name in a if a[name].numel()}
    # Moments and carries are no parameters, and of any size.
    limits = {name: 1e-6 if name.startswith("agent/") and "optimizer" not in name else 1e-5 for name in found}
    assert not {name: value for name, value in found.items() if value > limits[name]}
