"""Gradients gathered over the rows of a loop are those that autograd sums up row by row."""

import pytest
import torch
from torch import nn

from engram.common import row_gradients
from engram.common.dense import Linear, linear_blocks
from engram.common.row_gradients import RMSNorm, gather_row_gradients


class Recurrence(nn.Module):
    """Reads weights in every way: by products that leave their factors, with and without a bias, and by others."""

    def __init__(self):
        super().__init__()
        self.dense, self.plain = Linear(6, 6), Linear(6, 6, bias=False)
        self.blocks = nn.Parameter(torch.randn(2, 3, 3) / 3)
        self.own, self.bias = nn.Parameter(torch.randn(2, 3, 3) / 3), nn.Parameter(torch.randn(2, 1, 3))
        self.norm = RMSNorm(6)
        self.unread = nn.Parameter(torch.zeros(1))
        self.double()

    def rows(self, state, count=5):
        for _ in range(count):
            parts = state.unflatten(-1, (2, 3)).transpose(0, 1)
            blocks = linear_blocks(linear_blocks(parts, self.blocks), self.own, self.bias)
            state = self.norm(self.dense(state).tanh() + blocks.transpose(0, 1).flatten(1))
            state = state + self.plain(state) + state @ self.dense.weight
        return state

    def loss(self, state, gathers):
        loop = lambda: self.rows(state)  # noqa: E731
        return (gather_row_gradients(self, loop) if gathers else loop()).square().sum()


@pytest.fixture
def recurrence(monkeypatch):
    monkeypatch.setattr(row_gradients, "LARGE", 0)
    torch.manual_seed(0)
    return Recurrence(), torch.randn(4, 6, dtype=torch.float64, requires_grad=True)


def gradients(loss, inputs, **options):
    return torch.autograd.grad(loss, inputs, allow_unused=True, **options)


@pytest.mark.parametrize("large", [0, 10, 20])
def test_gradients_are_those_of_every_row_summed(recurrence, large, monkeypatch):
    """Of all parameters, of matrices alone, and of large ones alone."""
    module, state = recurrence
    monkeypatch.setattr(row_gradients, "LARGE", large)
    inputs = [state, *module.parameters()]
    expected, found = (gradients(module.loss(state, gathers), inputs) for gathers in (False, True))
    for one, other in zip(expected, found, strict=True):
        if one is None:
            assert other is None
        else:
            torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)
    assert dict(module.named_parameters()).keys() == dict(Recurrence().named_parameters()).keys()
    assert all(isinstance(parameter, nn.Parameter) for parameter in module.parameters())


def test_a_graph_that_is_gone_through_twice_gives_the_same_gradients(recurrence):
    module, state = recurrence
    loss = module.loss(state, gathers=True)
    gradients(loss, [state], retain_graph=True)  # what it leaves unread is nobody's
    first, second = (gradients(loss, [module.dense.weight], retain_graph=True) for _ in range(2))
    assert torch.equal(first[0], second[0])


def test_gradients_can_be_differentiated(recurrence):
    module, state = recurrence
    weights = [module.dense.weight, module.own, module.bias]
    results = []
    for gathers in (False, True):
        first = gradients(module.loss(state, gathers), weights, create_graph=True)
        results.append(gradients(sum(grad.square().sum() for grad in first), [state, *weights]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("context", [torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16)])
def test_a_loop_runs_as_it_is_without_gradients_and_under_autocast(recurrence, context):
    module, _ = recurrence
    with context:
        read = gather_row_gradients(module, lambda: module.dense.weight)
    assert read is module.dense.weight


def test_in_host_memory_small_weights_are_left_to_autograd(recurrence, monkeypatch):
    module, _ = recurrence
    monkeypatch.setattr(row_gradients, "LARGE", 37)
    assert gather_row_gradients(module, lambda: module.dense.weight) is module.dense.weight
    monkeypatch.setattr(row_gradients, "LARGE", 36)
    assert gather_row_gradients(module, lambda: module.dense.weight) is not module.dense.weight
