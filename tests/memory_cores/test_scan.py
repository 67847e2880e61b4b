"""The linear scan: the fast loop against the plain one, resets by selection, and torch's transforms."""

import itertools

import pytest
import torch

from memory_cores.scan import linear_scan, linear_scan_reference

BATCH, LENGTH, WIDTH = 3, 7, 4
CASES = list(
    itertools.product(
        [torch.float64, torch.complex128], ["constant", "varying"], ["zero", "learned"], [0.0, 0.3, 1.0]
    )
)


def inputs(dtype, a_kind="constant", initial_kind="zero"):
    torch.manual_seed(0)
    a = torch.randn(*((BATCH, LENGTH, WIDTH) if a_kind == "varying" else (WIDTH,)), dtype=dtype)
    b, carry = torch.randn(BATCH, LENGTH, WIDTH, dtype=dtype), torch.randn(BATCH, WIDTH, dtype=dtype)
    initial = [torch.randn(WIDTH, dtype=dtype)] if initial_kind == "learned" else []
    return [tensor.requires_grad_() for tensor in (a, b, carry, *initial)]


def flags(share):
    return torch.rand(BATCH, LENGTH, generator=torch.Generator().manual_seed(1)) < share


def run(function, tensors, is_first):
    a, b, carry, *initial = tensors
    return function(a, b, is_first, carry, *initial)


@pytest.mark.parametrize(("dtype", "a_kind", "initial_kind", "share"), CASES)
def test_fast_equals_reference(dtype, a_kind, initial_kind, share):
    tensors, is_first = inputs(dtype, a_kind, initial_kind), flags(share)
    fast, plain = run(linear_scan, tensors, is_first), run(linear_scan_reference, tensors, is_first)
    torch.testing.assert_close(fast, plain, rtol=1e-13, atol=1e-13)
    weight = torch.randn_like(plain)
    grads = [torch.autograd.grad((weight * states).real.sum(), tensors) for states in (fast, plain)]
    for actual, expected in zip(*grads, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "a_kind", "initial_kind", "share"), CASES)
def test_gradcheck(dtype, a_kind, initial_kind, share):
    is_first = flags(share)
    tensors = inputs(dtype, a_kind, initial_kind)
    assert torch.autograd.gradcheck(lambda *args: run(linear_scan, args, is_first), tensors, fast_mode=True)


@pytest.mark.parametrize("function", [linear_scan, linear_scan_reference])
@pytest.mark.parametrize("a_kind", ["constant", "varying"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_nothing_reaches_past_a_reset(function, a_kind, poison):
    begin = 3
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[0, begin] = True

    def after_reset(before):
        a, b, carry, initial = (
            tensor.detach().clone() for tensor in inputs(torch.float64, a_kind, "learned")
        )
        b[0, :begin] *= before
        carry[0] *= before
        tensors = [tensor.requires_grad_() for tensor in (a, b, carry, initial)]
        states = run(function, tensors, is_first)[0, begin:]
        grad_a, grad_b, grad_carry, grad_initial = torch.autograd.grad(states.square().sum(), tensors)
        if a_kind == "varying":
            grad_a = grad_a[0, begin:]
        else:  # the constant's gradient sums over poisoned rows too
            grad_a = torch.zeros(())
        return states, grad_a, grad_b, grad_carry, grad_initial

    for actual, expected in zip(after_reset(poison), after_reset(1.0), strict=True):
        assert torch.isfinite(actual).all()
        torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13)


def test_a_poisoned_episode_gives_no_gradient_to_the_one_before():
    a, b, carry = inputs(torch.float64, "varying")
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[:, 3] = True
    with torch.no_grad():
        a[:, 3:] = torch.nan
    _, grad_b, grad_carry = torch.autograd.grad(linear_scan(a, b, is_first, carry).sum(), (a, b, carry))
    assert torch.isfinite(grad_b[:, :3]).all() and torch.isfinite(grad_carry).all()


def test_carry_is_element_zero():
    a, b, carry = inputs(torch.float64)
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    whole = linear_scan(a, b, is_first, carry)
    first = linear_scan(a, b[:, :3], is_first[:, :3], carry)
    rest = linear_scan(a, b[:, 3:], is_first[:, 3:], first[:, -1])
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole)


def test_inputs_are_not_modified():
    tensors, is_first = inputs(torch.complex128, "varying", "learned"), flags(0.3)
    before = [tensor.detach().clone() for tensor in tensors]
    states = run(linear_scan, tensors, is_first)
    weight = torch.randn_like(states)
    kept = weight.clone()
    states.backward(weight)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, before, strict=True))
    assert torch.equal(weight, kept)


def test_strided_and_expanded_inputs():
    a, b, carry = inputs(torch.float64)
    is_first = flags(0.3)
    expected = linear_scan_reference(a, b, is_first, carry)
    transposed = b.detach().mT.contiguous().mT.requires_grad_()
    torch.testing.assert_close(linear_scan(a, transposed, is_first, carry), expected)
    states = linear_scan(a, b[:1, :1].expand(BATCH, LENGTH, WIDTH), is_first, carry[:1].expand(BATCH, WIDTH))
    states.sum().backward()  # an expanded gradient too


def test_vmap_and_functional_gradients_run_the_reference():
    """Stated rule: inside torch.func transforms the plain loop runs; values and gradients are the same."""
    a, b, carry = (tensor.detach() for tensor in inputs(torch.float64))
    is_first = flags(0.3)
    many = torch.stack([a, 2 * a])
    states = torch.func.vmap(lambda a: linear_scan(a, b, is_first, carry))(many)
    torch.testing.assert_close(states[1], linear_scan(2 * a, b, is_first, carry))
    grads = torch.func.vmap(torch.func.grad(lambda a: linear_scan(a, b, is_first, carry).sum()))(many)
    a.requires_grad_()
    (expected,) = torch.autograd.grad(linear_scan(a, b, is_first, carry).sum(), a)
    torch.testing.assert_close(grads[0], expected)


def test_dtypes_must_agree():
    a, b, carry = inputs(torch.float64)
    with pytest.raises(ValueError, match="must have the same dtype"):
        linear_scan(a.to(torch.complex128), b, flags(0), carry)
