"""Begin to pretend: torch's CUDA side answers for one device, and the project's kernels run on the host."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from pretended_cuda.guard import load_guard
from pretended_cuda.kernels import replace_kernels
from pretended_cuda.machine import MACHINE, CudaTensor, Machine, Mode, off

DEVICE_KERNELS = torch.library.Library("aten", "IMPL")
"""What it registers lasts as long as it does."""


@contextlib.contextmanager
def pretend() -> Iterator[Machine]:
    """Pretend a CUDA device for the rest of the process; what is patched stays so when the context ends.

    Raises:
        NoGuardError: where it cannot be pretended.
    """
    load_guard().set_guard()
    torch._C._set_only_lift_cpu_tensors(True)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _answer_for_a_device()
    _know_kernels_of_the_device()
    _take_lists_of_tensors()
    replace_kernels()
    with torch.autograd.set_multithreading_enabled(False), Mode():
        yield MACHINE


class Graph:
    """A recorded CUDA graph: operations on the inner tensors, done again by `replay`."""

    def __init__(self) -> None:
        self.operations: Sequence[Callable[[], Any]] = ()

    def replay(self) -> None:
        with off(), torch.no_grad():
            for operation in self.operations:
                operation()


@contextlib.contextmanager
def record(graph: Graph, *_: Any, **__: Any) -> Iterator[None]:
    """Stand in for `torch.cuda.graph`."""
    with MACHINE.record() as operations:
        yield
    graph.operations = operations


class Stream:
    """A stream on which everything has been done already."""

    device = torch.device("cuda:0")

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def wait_stream(self, stream: Stream) -> None:
        pass

    def synchronize(self) -> None:
        pass


class TimedEvent:
    """An event; every two are a millisecond apart."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def record(self, *_: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, other: TimedEvent) -> float:
        return 1.0


def _answer_for_a_device() -> None:
    cuda: Any = torch.cuda
    answers = {
        "_lazy_init": None,
        "is_available": True,
        "is_initialized": True,
        "device_count": 1,
        "current_device": 0,
        "set_device": None,
        "synchronize": None,
        "get_device_name": "pretended",
        "get_device_capability": (9, 0),
        "is_bf16_supported": True,
        "stream": contextlib.nullcontext(),
        "device_of": contextlib.nullcontext(),
        "device": contextlib.nullcontext(),
        "current_stream": Stream(),
        "reset_peak_memory_stats": 0,
        "memory_allocated": 0,
        "max_memory_allocated": 0,
        "mem_get_info": (2**34, 2**34),
    }
    for name, answer in answers.items():
        setattr(cuda, name, _always(answer))
    cuda.Stream, cuda.CUDAGraph, cuda.graph, cuda.Event = Stream, Graph, record, TimedEvent
    cuda.is_current_stream_capturing = lambda: MACHINE.recording is not None
    cuda.set_sync_debug_mode = _set_sync_debug_mode
    tensor: Any = Tensor
    tensor.cuda = lambda self, *_, **__: self.to("cuda")
    tensor.pin_memory = _pin
    module: Any = torch.nn.Module
    module.cuda = lambda self, *_: self.to("cuda")
    # Generators of the device are not pretended: nothing here draws from one.
    fork: Any = torch.random.fork_rng
    torch.random.fork_rng = lambda *_, **__: fork(devices=[])  # type: ignore[assignment]


def _know_kernels_of_the_device() -> None:
    """Let be one operation what torch has a kernel for on CUDA and parts elsewhere; what is named is never called."""
    for name in ("_fused_rms_norm", "silu_backward"):
        DEVICE_KERNELS.impl(name, _always(None), "CUDA")


def _take_lists_of_tensors() -> None:
    """Let optimisers and clipping use their paths for CUDA."""
    import torch.nn.utils.clip_grad as clip_grad
    import torch.optim.optimizer as optimizer
    import torch.utils._foreach_utils as foreach_utils

    for module in (foreach_utils, optimizer):
        supported: Any = getattr(module, "_foreach_supported_types", [])
        if CudaTensor not in supported:
            supported.append(CudaTensor)
    clip_grad._has_foreach_support = lambda tensors, device: device.type == "cuda"  # type: ignore[assignment]


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


def _set_sync_debug_mode(mode: str | int) -> None:
    MACHINE.refuses_waits = mode in ("error", 2)


def _pin(tensor: Any, *_: Any) -> Any:
    tensor._is_pretended_pinned = True
    return tensor
