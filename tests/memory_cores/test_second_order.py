"""Gradients of gradients, of every core and on every fast path, and the other ways to differentiate."""

import pytest
import torch
from core_cases import (
    BATCH,
    NAMES,
    flags,
    gradient_keys,
    is_number,
    make,
    random_carry,
    random_rows,
    weighted_sum,
)
from small_cores import ONE_OF_EACH_FAMILY
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call

from engram.memory_cores import GRU, LSTM
from engram.memory_cores.loop import engine as loop
from engram.memory_cores.scan import linear_scan

LENGTH = 9
RESETS = {"none": [], "few": [(0, 4)], "many": [(0, 2), (0, 3), (0, 7), (1, 0), (1, 1), (1, 3), (2, 8)]}


def resets(kind):
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    for row in RESETS[kind]:
        is_first[row] = True
    return is_first


def curved(core, carry, is_first, every):
    """A scalar function of rows, carry and parameters that bends in all of them, and where to begin."""
    keys = gradient_keys(core, carry)
    parameters = {key: p.detach() for key, p in core.named_parameters() if p.requires_grad}

    def function(x, *values):
        inner = carry.clone()
        for key, value in zip(keys, values, strict=False):
            inner[key] = value
        weights = dict(zip(parameters, values[len(keys) :], strict=True))
        y, last = functional_call(core, weights, (x, inner, is_first, every))
        return weighted_sum(y.tanh(), last.apply(lambda leaf: leaf.real.tanh() if is_number(leaf) else leaf))

    return function, [random_rows(length=LENGTH), *(carry[key] for key in keys), *parameters.values()]


def gradient(function, point, create_graph=False):
    point = [value.detach().requires_grad_() for value in point]
    grads = torch.autograd.grad(
        function(*point), point, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return grads, point


def assert_second_order(function, point, least=1e-3):
    """The Hessian times a direction, by two reverses, equals the change of the gradient along it."""
    torch.manual_seed(5)
    direction = [torch.randn_like(value) for value in point]
    grads, variables = gradient(function, point, create_graph=True)
    along = sum((grad * way.conj()).real.sum() for grad, way in zip(grads, direction, strict=True))
    found = torch.autograd.grad(along, variables, allow_unused=True, materialize_grads=True)
    step = 1e-6
    ends = [
        gradient(function, [value + sign * step * way for value, way in zip(point, direction, strict=True)])[
            0
        ]
        for sign in (1, -1)
    ]
    largest = 0.0
    for actual, plus, minus in zip(found, *ends, strict=True):
        expected = (plus - minus) / (2 * step)
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6 * (1 + float(expected.abs().max())))
        largest = max(largest, float(expected.abs().max()))
    assert largest > least


@pytest.mark.parametrize("name", NAMES)
def test_second_order_gradients(name):
    core = make(name)
    assert_second_order(*curved(core, random_carry(core), resets("few"), every=0))


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize("kind", RESETS)
def test_second_order_gradients_through_carries(name, kind):
    core = make(name)
    assert_second_order(*curved(core, random_carry(core), resets(kind), every=2))


@pytest.mark.parametrize("core_class", [LSTM, GRU])
@pytest.mark.parametrize("kind", RESETS)
def test_second_order_gradients_as_on_a_device(core_class, kind, monkeypatch):
    monkeypatch.setattr(loop, "_prefers_library", lambda x: True)
    torch.manual_seed(0)
    core = core_class(5, hidden_size=4).double()
    for every in (0, 2):
        assert_second_order(*curved(core, random_carry(core), resets(kind), every))


@pytest.mark.parametrize(("ours", "theirs"), [(LSTM, nn.LSTM), (GRU, nn.GRU)])
@pytest.mark.parametrize("every", [0, 1])
def test_hessian_is_the_librarys(ours, theirs, every):
    torch.manual_seed(0)
    core, module = ours(3, hidden_size=4).double(), theirs(3, 4, batch_first=True).double()
    core.load_state_dict(module.state_dict())
    x, is_first = torch.randn(1, 5, 3, dtype=torch.float64), torch.zeros(1, 5, dtype=torch.bool)
    hessian = torch.autograd.functional.hessian
    expected = hessian(lambda x: module(x)[0].sum(), x)
    assert expected.abs().max() > 0.01
    for vectorize in (False, True):
        found = hessian(
            lambda x: core(x, core.initial_carry(1), is_first, every)[0].sum(), x, vectorize=vectorize
        )
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("shape", [(4,), (2, 6, 4), (2, 1, 4)])
@pytest.mark.parametrize("learned", [True, False])
def test_linear_scan_second_order(dtype, shape, learned):
    torch.manual_seed(0)
    length = 1 if shape == (2, 1, 4) else 6
    a, b, carry, initial = (
        torch.randn(size, dtype=dtype, requires_grad=True) for size in (shape, (2, length, 4), (2, 4), (4,))
    )
    is_first = torch.tensor([[0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1]], dtype=torch.bool)[:, :length]

    def run(a, b, carry, *initial):
        return linear_scan(a, b, is_first, carry, *initial)

    inputs = (a, b, carry, initial) if learned else (a, b, carry)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


def test_linear_scan_second_order_by_hand():
    """h = (a c + b, a (a c + b)); the sum's derivatives by a are c + 2 a c + b, and again 2 c."""
    a, b, carry = (torch.tensor(value, dtype=torch.float64) for value in ([3.0], [[[5.0], [0.0]]], [[7.0]]))
    a.requires_grad_()
    total = linear_scan(a, b, torch.zeros(1, 2, dtype=torch.bool), carry).sum()
    (first,) = torch.autograd.grad(total, a, create_graph=True)
    assert first.item() == 7.0 + 2 * 3.0 * 7.0 + 5.0
    assert torch.autograd.grad(first, a)[0].item() == 14.0


def test_a_poisoned_episode_gives_no_second_order_to_the_one_before():
    a = torch.rand(1, 4, 2, dtype=torch.float64)
    a[:, 2:] = torch.nan
    b = torch.randn(1, 4, 2, dtype=torch.float64, requires_grad=True)
    is_first = torch.tensor([[False, False, True, False]])
    states = linear_scan(a, b, is_first, torch.ones(1, 2, dtype=torch.float64))
    (grad,) = torch.autograd.grad(states[:, :2].pow(3).sum(), b, create_graph=True)
    (again,) = torch.autograd.grad(grad[:, :2].sum(), b)
    assert torch.isfinite(grad[:, :2]).all() and torch.isfinite(again[:, :2]).all() and again[:, 0].all()


@pytest.mark.parametrize("name", NAMES)
def test_other_ways_to_differentiate(name):
    """Forward mode, with and without torch.func, and many gradients at once, against one reverse."""
    core, is_first = make(name), flags("random")
    x, carry = random_rows().requires_grad_(), random_carry(core)
    y, _ = core(x, carry, is_first)
    torch.manual_seed(6)
    many, way = torch.randn(2, *y.shape, dtype=y.dtype), torch.randn_like(x)
    expected = [torch.autograd.grad(y, x, grad, retain_graph=True)[0] for grad in many]
    (together,) = torch.autograd.grad(y, x, many, is_grads_batched=True)
    torch.testing.assert_close(together, torch.stack(expected))
    with forward_ad.dual_level():
        dual, _ = core(forward_ad.make_dual(x.detach(), way), carry, is_first)
        tangent = forward_ad.unpack_dual(dual).tangent
    along = [(grad * way).sum() for grad in expected]
    torch.testing.assert_close([(tangent * grad).sum() for grad in many], along)
    _, tangent = torch.func.jvp(lambda x: core(x, carry, is_first)[0], (x.detach(),), (way,))
    torch.testing.assert_close([(tangent * grad).sum() for grad in many], along)
    found = torch.func.grad(lambda x: (core(x, carry, is_first)[0] * many[0]).sum())(x.detach())
    torch.testing.assert_close(found, expected[0])
