"""Updates recorded as CUDA graphs: one mechanism for every agent whose update is a function of tensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.common.cuda_graph import Recorder, copy_into, record_cuda_graph, warm_up

Input: TypeAlias = Tensor | TensorDictBase | None


class CapturedUpdate:
    """A function of tensors that learns in place; once it is captured, it is recorded as a CUDA graph and replayed.

    The function must not wait for the device. Everything it reads is one of its inputs, or a tensor that changes in
    place, as parameters, moments and `capturable` learning rates do. Every call counts: the first one with inputs of
    a form runs, and makes what is made lazily; the second is recorded and replayed, and so is every later one.

    Args:
        function: of keyword arguments, each a tensor, a TensorDict or None; returns any nesting of tensors.
        device: where all of them are.
        finish: what `finish` does: a second part, so that the results of the first can be looked at before.

    Attributes:
        is_captured: whether `capture` was called.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        device: torch.device,
        finish: Callable[[], object] = lambda: None,
    ) -> None:
        self._function, self._finish, self._device = function, finish, device
        self._recorder: Recorder | None = None
        self._recordings: dict[Hashable, _Recording] = {}
        self._last: _Recording | None = None

    @property
    def is_captured(self) -> bool:  # noqa: D102
        return self._recorder is not None

    def capture(self, recorder: Recorder = record_cuda_graph) -> None:
        """Record from here on."""
        self._recorder = recorder
        self.forget()

    def forget(self) -> None:
        """Drop all recordings: what they read in place has moved, as moments do when they are loaded."""
        self._recordings, self._last = {}, None

    def __call__(self, **inputs: Input) -> Any:
        """Call the function.

        Args:
            **inputs: of the function. A recording copies them, but for one that is the same object as before: it must
                not have changed.

        Returns:
            What the function returns; the tensors of a recording, which hold until the next call.
        """
        if self._recorder is None:
            return self._function(**inputs)
        form = tuple((name, _form(value)) for name, value in inputs.items())
        if form not in self._recordings:
            self._recordings[form] = _Recording(
                self._function, self._finish, inputs, self._device, self._recorder
            )
        self._last = self._recordings[form]
        return self._last(inputs)

    def finish(self) -> None:
        """Do the second part of the last call."""
        if self._last is None:
            self._finish()
        else:
            self._last.finish()


class _Recording:
    """Both parts for inputs of one form, and tensors for these."""

    def __init__(
        self,
        function: Callable[..., Any],
        finish: Callable[[], object],
        inputs: dict[str, Input],
        device: torch.device,
        recorder: Recorder,
    ) -> None:
        self._given = inputs
        self._inputs = {name: value if value is None else value.clone() for name, value in inputs.items()}
        self._first = _Part(lambda: function(**self._inputs), device, recorder)
        self.finish = _Part(finish, device, recorder)

    def __call__(self, inputs: dict[str, Input]) -> Any:
        for name, value in inputs.items():
            own = self._inputs[name]
            if own is not None and value is not None and value is not self._given[name]:
                copy_into(own, value)
        self._given = inputs
        return self._first()


class _Part:
    """A function without arguments that runs at its first call, is recorded at its second, and replayed."""

    def __init__(self, function: Callable[[], Any], device: torch.device, recorder: Recorder) -> None:
        self._function, self._device, self._recorder = function, device, recorder
        self._has_run, self._replay, self._result = False, None, None

    _replay: Callable[[], None] | None

    def __call__(self) -> Any:
        if not self._has_run:
            self._has_run = True
            with warnings.catch_warnings():
                # It is right that a step which can be recorded is not yet.
                warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
                warm_up(self._run, self._device)
            return self._result
        if self._replay is None:
            self._replay = self._recorder(self._run, self._device)
        self._replay()
        return self._result

    def _run(self) -> None:
        self._result = self._function()


def _form(value: Input) -> Hashable:
    """Keys, shapes and dtypes of an input's leaves."""
    if value is None or isinstance(value, Tensor):
        return None if value is None else (value.shape, value.dtype)
    return tuple((key, leaf.shape, leaf.dtype) for key, leaf in value.items(True, True))
