"""The linear scan: the fast loop against the plain one, resets by selection, and torch's transforms."""

import itertools
import os
import subprocess
import sys

import pytest
import torch

from engram.memory_cores.scan import engine as scan
from engram.memory_cores.scan import linear_scan, linear_scan_reference

BATCH, LENGTH, WIDTH = 3, 7, 4
CASES = list(
    itertools.product(
        [torch.float64, torch.complex128], ["constant", "varying"], ["zero", "learned"], [0.0, 0.3, 1.0]
    )
)


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """`test_scan_triton.py` runs this file once more with Triton's interpreter in place of numba."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        from engram.memory_cores.scan import cuda

        monkeypatch.setattr(scan, "scan_engine", lambda device_type: cuda)


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("a_kind", ["constant", "varying"])
@pytest.mark.parametrize("slicing", [(slice(None), slice(None, None, 2)), (..., slice(None, None, 2))])
def test_any_strides(dtype, a_kind, slicing):
    a, b, carry, initial = inputs(dtype, a_kind, "learned")
    columns = slicing[-1] if slicing[0] is ... else slice(None)
    tensors = [a[slicing] if a.dim() == 3 else a[columns], b[slicing], carry.mT.contiguous().mT[:, columns]]
    tensors.append(initial.repeat_interleave(3)[::3][columns])
    rows = slice(None) if slicing[0] is ... else slicing[1]
    is_first = flags(0.3).mT.contiguous().mT[:, rows]
    fast, plain = run(linear_scan, tensors, is_first), run(linear_scan_reference, tensors, is_first)
    torch.testing.assert_close(fast, plain, rtol=1e-13, atol=1e-13)
    weight = torch.randn(*plain.shape[::-1], dtype=dtype).permute(2, 1, 0)
    leaves = [a, b, carry, initial]
    grads = [torch.autograd.grad((weight * states).real.sum(), leaves) for states in (fast, plain)]
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


def test_conjugates_are_resolved():
    a, b, carry = (tensor.detach() for tensor in inputs(torch.complex128))
    expected = linear_scan_reference(a, b, flags(0.3), carry).conj()
    ours = linear_scan(a.conj(), b.conj(), flags(0.3), carry.conj())
    torch.testing.assert_close(ours, expected.resolve_conj())
    imag = linear_scan(a.imag, b.conj().imag, flags(0.3), carry.conj().imag)
    torch.testing.assert_close(imag, -linear_scan(a.imag, b.imag, flags(0.3), carry.imag))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize("a_kind", ["constant", "varying"])
def test_single_precision_over_a_great_length(dtype, a_kind):
    batch, length, width = 2, 16_384, 8
    generator = torch.Generator().manual_seed(0)
    exact = torch.promote_types(dtype, torch.float64)
    rate = torch.rand(*((batch, length, width) if a_kind == "varying" else (width,)), generator=generator)
    a = (0.8 + 0.199 * rate).to(exact)
    if dtype.is_complex:
        a = a * torch.exp(0.3j * rate.double())
    b, carry, initial, weight = (
        torch.randn(*shape, dtype=exact, generator=generator)
        for shape in ((batch, length, width), (batch, width), (width,), (batch, length, width))
    )
    is_first = torch.rand(batch, length, generator=generator) < 0.001

    def states_and_gradients(kind):
        tensors = [tensor.to(dtype).to(kind).requires_grad_() for tensor in (a, b, carry, initial)]
        states = run(linear_scan, tensors, is_first)
        return states, *torch.autograd.grad((weight.to(kind) * states).real.sum(), tensors)

    for single, double in zip(states_and_gradients(dtype), states_and_gradients(exact), strict=True):
        torch.testing.assert_close(single.to(exact), double, rtol=0, atol=1e-5 * double.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    a, b, carry = (tensor.detach().to(dtype) for tensor in inputs(torch.float32))
    states = linear_scan(a, b, flags(0.3), carry)
    assert states.dtype == dtype
    expected = linear_scan_reference(a.float(), b.float(), flags(0.3), carry.float())
    torch.testing.assert_close(states, expected.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize(("a_kind", "initial_kind"), [("constant", "zero"), ("varying", "learned")])
def test_compile_keeps_one_node(dtype, a_kind, initial_kind):
    tensors, is_first = inputs(dtype, a_kind, initial_kind), flags(0.3)
    graphs = []
    torch.compiler.reset()  # sizes of earlier tests would make these symbols

    def backend(graph, example_inputs):
        graphs.append([node for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    run(torch.compile(linear_scan, backend=backend, fullgraph=True), tensors, is_first)
    assert [str(node.target) for node in graphs[0]] == ["engram.linear_scan.default"]
    compiled = torch.compile(linear_scan, backend="aot_eager", fullgraph=True)
    both = [run(function, tensors, is_first) for function in (compiled, linear_scan)]
    torch.testing.assert_close(*both)
    grads = [torch.autograd.grad(states.abs().sum(), tensors) for states in both]
    torch.testing.assert_close(*grads)


def test_compile_of_transforms_runs_the_reference():
    a, b, carry = (tensor.detach() for tensor in inputs(torch.float64))
    is_first = flags(0.3)
    many = torch.stack([a, 2 * a])
    total = torch.func.vmap(torch.func.grad(lambda a: linear_scan(a, b, is_first, carry).sum()))
    torch.testing.assert_close(torch.compile(total, backend="aot_eager", fullgraph=True)(many), total(many))


def test_the_transition_needs_no_gradient():
    a, b, carry = inputs(torch.float64, "varying")
    expected = torch.autograd.grad(linear_scan(a, b, flags(0.3), carry).sum(), (b, carry))
    actual = torch.autograd.grad(linear_scan(a.detach(), b, flags(0.3), carry).sum(), (b, carry))
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("wrong", range(4))
def test_shapes_must_agree(wrong):
    a, b, carry = inputs(torch.float64)
    arguments = [a, b, flags(0), carry]
    arguments[wrong] = arguments[wrong][..., :-1]
    with pytest.raises(ValueError, match="linear_scan takes"):
        linear_scan(*arguments)


def test_dtypes_must_agree():
    a, b, carry = inputs(torch.float64)
    with pytest.raises(ValueError, match="must have the same dtype"):
        linear_scan(a.to(torch.complex128), b, flags(0), carry)


@pytest.mark.slow
def test_without_a_place_for_its_cache_the_scan_runs():
    """Nothing to write to: numba must not refuse to compile."""
    code = (
        "import numba.core.caching as caching, torch\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from engram.memory_cores.scan import linear_scan\n"
        "b = torch.ones(1, 3, 1)\n"
        "states = linear_scan(b[0, 0], b, torch.zeros(1, 3, dtype=torch.bool), b[:, 0])\n"
        "assert states.flatten().tolist() == [2, 3, 4]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
