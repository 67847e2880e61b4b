"""Gated recurrences for tests: their inputs and resets, and the loops with weights one by one."""

import torch

from engram.memory_cores import Resets
from engram.memory_cores.loop import engine as loop
from engram.memory_cores.loop import reference
from engram.memory_cores.loop.weights import GateWeights

BATCH, LENGTH, INPUT, HIDDEN = 4, 40, 3, 5


def flags(kind, length=LENGTH):
    is_first = torch.zeros(BATCH, length, dtype=torch.bool)
    if kind == "first row":
        is_first[1:, 0] = True
    if kind == "together":
        is_first[:, length // 3] = True
    if kind == "few":
        is_first[0, [3, 30, LENGTH - 1]] = True
        is_first[1, 10] = True
    if kind == "dense":
        is_first = torch.rand(BATCH, length, generator=torch.Generator().manual_seed(0)) < 0.3
    if kind == "everywhere":
        is_first[:] = True
    return is_first


KINDS = ["none", "first row", "together", "few", "dense", "everywhere"]


def with_flat_weights(function):
    """Takes the weights one by one, as autograd knows them."""
    return lambda *inputs, **options: function(*inputs[:-4], GateWeights(*inputs[-4:]), **options)


@with_flat_weights
def lstm_loop(x, is_first, *rest, **options):
    return loop.lstm_loop(x, Resets(is_first, is_first.cpu()), *rest, **options)


@with_flat_weights
def gru_loop(x, is_first, *rest):
    return loop.gru_loop(x, Resets(is_first, is_first.cpu()), *rest)


lstm_loop_reference = with_flat_weights(reference.lstm_loop_reference)
gru_loop_reference = with_flat_weights(reference.gru_loop_reference)


def inputs(gates, states, dtype=torch.float64, length=LENGTH):
    torch.manual_seed(0)
    shapes = [(BATCH, length, INPUT), *[(BATCH, HIDDEN)] * states, (gates * HIDDEN, INPUT)]
    shapes += [(gates * HIDDEN, HIDDEN), (gates * HIDDEN,), (gates * HIDDEN,)]
    return [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in shapes]


def run(function, tensors, is_first, **options):
    outputs = function(tensors[0], is_first, *tensors[1:], **options)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    torch.manual_seed(1)
    # randn_like would draw in the order of memory, which may differ between the paths
    total = sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)
    return outputs, torch.autograd.grad(total, tensors)


def assert_same(actual, expected, **tolerance):
    for left, right in zip((*actual[0], *actual[1]), (*expected[0], *expected[1]), strict=True):
        torch.testing.assert_close(left, right, **tolerance)
