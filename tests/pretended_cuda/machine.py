"""The pretended device itself: runs operations on host memory, refuses what CUDA would, and keeps count."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from pretended_cuda.fused import STAND_INS
from pretended_cuda.operations import FREE, INDEXING, SAME_DEVICE, WAITING, launches

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

Event = tuple[str, str]
"""What happened, such as "SYNC item", and the function of the project that asked for it."""


class CudaTensor(Tensor):
    """A tensor on the pretended device: `inner` holds its values in host memory."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> CudaTensor:
        assert not isinstance(inner, CudaTensor)
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device="cuda:0",
            requires_grad=False,
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def is_pinned(self, *_: Any) -> bool:
        return False

    def tolist(self) -> Any:
        MACHINE.event("SYNC tolist")
        return self.inner.tolist()

    def __repr__(self, **_: Any) -> str:
        return f"CudaTensor({self.inner})"

    def __deepcopy__(self, memo: dict[int, Any]) -> CudaTensor:
        copy = CudaTensor(self.inner.clone())
        copy.requires_grad_(self.requires_grad)
        if hasattr(self, "_is_param"):
            copy._is_param = True
        memo[id(self)] = copy
        return copy

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return MACHINE.run(operation, args, kwargs or {})


def inner_of(value: Any) -> Any:
    """The values in host memory of a tensor on the device; anything else as it is."""
    return value.inner if isinstance(value, CudaTensor) else value


def place() -> str:
    """The innermost function of the project that is being called, as `folder/file.py:Class.method`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = _project_file(frame.f_code.co_filename)
        if file is not None:
            name = frame.f_code.co_qualname.split(".<locals>.<")[0]  # comprehensions are their function's
            return f"{file}:{name}"
        frame = frame.f_back
    return "?"


@functools.cache
def _project_file(filename: str) -> str | None:
    """The path inside the project; None of what is none of its files, and of this folder's."""
    path = Path(filename)
    if not path.is_relative_to(ROOT) or path.is_relative_to(HERE) or "site-packages" in path.parts:
        return None
    return path.relative_to(ROOT).as_posix()


@contextmanager
def off() -> Iterator[None]:
    """Let operations pass the pretended device by."""
    with _disable_current_modes():
        yield


class Machine:
    """Counts of what was done since `reset`.

    Attributes:
        launches: kernels by operation.
        launches_at: kernels by the function that asked for them.
        events: waits, copies between host and device, and arguments that a hand-written kernel must copy.
        recording: operations of the CUDA graph being recorded; None outside of one.
        refuses_waits: as `torch.cuda.set_sync_debug_mode("error")` sets it.
    """

    def __init__(self) -> None:
        self.recording: list[Callable[[], Any]] | None = None
        self._overwritten: dict[int, tuple[Tensor, Tensor]] = {}
        self.refuses_waits = False
        self.reset()

    def reset(self) -> None:
        self.launches: Counter[str] = Counter()
        self.launches_at: Counter[str] = Counter()
        self.events: Counter[Event] = Counter()

    @contextmanager
    def record(self) -> Iterator[list[Callable[[], Any]]]:
        """Record a CUDA graph, and undo in the end what the recorded operations wrote: on a card none has run."""
        self.recording, self._overwritten = [], {}
        try:
            yield self.recording
        finally:
            self.recording = None
            with off(), torch.no_grad():
                for whole, before in self._overwritten.values():
                    whole.copy_(before)
            self._overwritten = {}

    def _keep_written(self, operation: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """While recording, keep the values that an operation is about to write over."""
        if self.recording is None:
            return
        for index, argument in enumerate(operation._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            given = args[index] if index < len(args) else kwargs.get(argument.name)
            for value in tree_leaves(given):
                if isinstance(value, Tensor) and value.untyped_storage().data_ptr() not in self._overwritten:
                    storage = value.untyped_storage()
                    with off():
                        whole = torch.empty(0, dtype=torch.uint8).set_(storage)
                        self._overwritten[storage.data_ptr()] = whole, whole.clone()

    def event(self, kind: str) -> None:
        """Note a wait or a copy; refuse it where CUDA would."""
        at = place()
        self.events[kind, at] += 1
        if kind.startswith(("SYNC", "D2H")) or kind == "H2D":
            if self.recording is not None:
                raise RuntimeError(
                    f"CUDA error: operation not permitted when stream is capturing: {kind} at {at}"
                )
            if self.refuses_waits:
                raise RuntimeError(f"called a synchronizing CUDA operation: {kind} at {at}")

    def count(self, name: str, number: int = 1) -> None:
        """Count launches."""
        if number:
            self.launches[name] += number
            self.launches_at[place()] += number

    def kernel(self, name: str, function: Callable[[], tuple[Tensor, ...]]) -> tuple[CudaTensor, ...]:
        """Run a hand-written kernel: a function of nothing that returns tensors in host memory."""
        self.count(name)
        with off():
            results = function()
            if self.recording is not None:
                self.recording.append(lambda: _write(results, function()))
        return tuple(map(CudaTensor, results))

    def run(self, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run one of torch's operations."""
        name = operation.name().split("::")[-1].split(".")[0]
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        on_device = [value for value in tensors if isinstance(value, CudaTensor)]
        device = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        if not on_device and (device is None or device.type != "cuda"):
            return operation(*args, **kwargs)
        if name in ("_pin_memory", "is_pinned"):
            return args[0]
        if name in ("_to_copy", "copy_"):
            return self._copy(operation, name, args, kwargs, device)
        self._check(name, args, [value for value in tensors if not isinstance(value, CudaTensor)])
        inner_args, inner_kwargs = tree_map(inner_of, args), tree_map(inner_of, kwargs)
        if device is not None and device.type == "cuda":
            inner_kwargs["device"] = torch.device("cpu")
        if "pin_memory" in inner_kwargs:
            inner_kwargs["pin_memory"] = False
        function = STAND_INS.get(name, operation)
        self._keep_written(operation, inner_args, inner_kwargs)

        def call() -> Any:
            return function(*inner_args, **inner_kwargs)

        result = call()
        if self.recording is not None and (name not in FREE or name in STAND_INS):
            self.recording.append(lambda: _write(tree_leaves(result), tree_leaves(call())))
        self.count(name, launches(name, args))
        if device is not None and device.type == "cpu":
            return result
        known = {
            id(value.inner): value for value in on_device
        }  # what is changed in place stays the same object
        return tree_map(lambda value: known[id(value)] if id(value) in known else _wrap(value), result)

    def _check(self, name: str, args: Any, on_host: list[Tensor]) -> None:
        """Note waits and refuse tensors of two devices."""
        if name in WAITING:
            self.event(f"SYNC {name}")
        if name in INDEXING:
            indices = [index for index in args[1] if isinstance(index, Tensor)]
            if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
                self.event(f"SYNC {name} by a mask")
            if any(not isinstance(index, CudaTensor) for index in indices):
                self.event("H2D")
            on_host = [value for value in on_host if not any(value is index for index in indices)]
        if name.startswith("_fused_adam") or name == "_thnn_fused_lstm_cell":
            return  # counters may lie in host memory; so may biases that are not there
        for value in on_host:
            if value.dim() > 0 or name in SAME_DEVICE:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu: "
                    f"{name} of {tuple(value.shape)} {value.dtype} at {place()}"
                )

    def _copy(self, operation: Any, name: str, args: Any, kwargs: dict[str, Any], device: Any) -> Any:
        """Copy within the device, or between host and device."""
        inner_args = tree_map(inner_of, args)
        if name == "copy_":
            target, source = args[0], args[1]
            if isinstance(target, CudaTensor) and isinstance(source, CudaTensor):
                self.count("copy_")
            else:
                self.event("H2D" if isinstance(target, CudaTensor) else "D2H")
            self._keep_written(operation, inner_args, kwargs)
            operation(*inner_args, **kwargs)
            if self.recording is not None:
                self.recording.append(lambda: operation(*inner_args, **kwargs))
            return target
        from_device = isinstance(args[0], CudaTensor)
        to_device = from_device if device is None else device.type == "cuda"
        inner_kwargs = {key: value for key, value in kwargs.items() if key not in ("device", "non_blocking")}
        result = operation(*inner_args, **inner_kwargs)
        if from_device and not to_device:
            self.event("D2H")
        if not from_device and to_device:
            pinned = kwargs.get("non_blocking", False) and getattr(args[0], "_is_pretended_pinned", False)
            self.event("H2D pinned" if pinned else "H2D")
        if from_device and to_device:
            self.count("_to_copy")
            if self.recording is not None:
                self.recording.append(lambda: result.copy_(operation(*inner_args, **inner_kwargs)))
        return CudaTensor(result) if to_device else result


def _wrap(value: Any) -> Any:
    return CudaTensor(value) if isinstance(value, Tensor) and not isinstance(value, CudaTensor) else value


def _write(targets: Any, sources: Any) -> None:
    """Write results to where they were when the graph was recorded."""
    for target, source in zip(targets, sources, strict=True):
        if isinstance(target, Tensor) and target is not source and target.data_ptr() != source.data_ptr():
            target.copy_(source)


MACHINE = Machine()


class Mode(TorchDispatchMode):
    """Leads every operation to the machine, those that make a tensor on it as well."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return MACHINE.run(operation, args, kwargs or {})
