"""Recording a function's kernels as a CUDA graph, and copies to a device that nothing waits for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

Moved = TypeVar("Moved", Tensor, TensorDict)
# Makes of a function, which reads and writes only tensors that outlive it, one that does the same again.
Recorder = Callable[[Callable[[], None], torch.device], Callable[[], None]]


@cache
def recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream on which everything of a device is warmed up and recorded.

    It is one, because a parameter's gradient is added up on the stream on which it was first used, for as long as
    anything holds that graph: on another one a recording would wait for it.
    """
    return torch.cuda.Stream(device)


def record_cuda_graph(function: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Record the function's kernels as a CUDA graph; none of them runs yet.

    Args:
        function: reads and writes only tensors that outlive it, all on the device.
        device: whose graph it is; the library's own stream would be of the current device, which may be another.

    Returns:
        The graph's replay.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=recording_stream(device)):
        function()
    return graph.replay


def warm_up(function: Callable[[], object], device: torch.device) -> None:
    """Call the function on the stream of recordings, as comes before them; elsewhere than on CUDA just call it.

    Libraries begin, kernels are chosen and lazy constants made outside of the recording, as it must be.
    """
    if device.type != "cuda":
        function()
        return
    stream = recording_stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        function()
    torch.cuda.current_stream(device).wait_stream(stream)


def copy_into(target: Tensor | TensorDictBase, source: Tensor | TensorDictBase) -> None:
    """Write a tensor, or every leaf of a TensorDict, in place, but for what lies there already."""
    if isinstance(target, Tensor):
        if target.data_ptr() != source.data_ptr():
            target.copy_(source)
        return
    for key, leaf in target.items(True, True):
        copy_into(leaf, source[key])


def to_device(value: Moved, device: torch.device) -> Moved:
    """Copy a tensor or a TensorDict from host memory to a device, through pinned memory, so that nothing waits."""
    if device.type != "cuda":
        return value.to(device)
    if isinstance(value, Tensor):
        return value.pin_memory().to(device, non_blocking=True)
    moved = {key: to_device(leaf, device) for key, leaf in value.items()}
    return type(value)(moved, batch_size=value.batch_size, device=device)
