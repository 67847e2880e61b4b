"""Selecting zero: nothing that was not selected leaves a trace, in values, gradients or gradients of gradients."""

import pytest
import torch

from engram.common import zero_where as module
from engram.common.zero_where import zero_unless, zero_where

CONDITION = torch.tensor([[True], [False]])


@pytest.fixture(params=["plain", "one_kernel"])
def fused(request, monkeypatch):
    """On the CPU the library's selection; also what runs on a device."""
    if request.param == "one_kernel":
        monkeypatch.setattr(module, "_select", lambda *args: module._ZeroWhere.apply(*args))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.int64, torch.bool])
def test_values_and_dtypes(dtype, fused):
    x = torch.ones(2, 3).to(dtype)
    assert torch.equal(zero_where(CONDITION, x), torch.stack([0 * x[0], x[1]]))
    assert torch.equal(zero_unless(CONDITION, x), torch.stack([x[0], 0 * x[1]]))
    assert zero_where(CONDITION, x).dtype == dtype


def test_nothing_passes_that_was_not_selected(fused):
    x = torch.full((2, 3), torch.nan).requires_grad_()
    y = zero_where(CONDITION, x)
    assert y[0].eq(0).all() and y[1].isnan().all()
    (grad,) = torch.autograd.grad(y, x, torch.tensor([[torch.nan], [2.0]]).expand(2, 3))
    assert torch.equal(grad, torch.tensor([[0.0], [2.0]]).expand(2, 3))


def test_gradients_and_those_of_gradients(fused):
    for shape in ((2, 3), (1, 3), (3,), ()):
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for function in (zero_where, zero_unless):
            assert torch.autograd.gradcheck(lambda x, function=function: function(CONDITION, x.square()), x)
            assert torch.autograd.gradgradcheck(
                lambda x, function=function: function(CONDITION, x.square()), x
            )
