"""Dense layers: oneDNN's product equals torch's own, in both orders of gradients, and is taken by rule alone."""

import pytest
import torch
from torch.nn import functional

from engram.common import dense
from engram.common.dense import Linear, Thresholds, linear, thresholds
from engram.common.processor import Processor, read_processor, this_processor

ALWAYS = Thresholds(1, 1)
needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


@pytest.fixture(params=[ALWAYS, Thresholds(rows=1)], ids=["all", "rows"])
def limits(request, monkeypatch):
    monkeypatch.setattr(dense, "LIMITS", request.param)


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def first_and_second(function, x, weight, bias):
    """Values, gradients and gradients of the gradients."""
    y = function(x, weight, bias)
    inputs = [part for part in (x, weight, bias) if part is not None]
    first = torch.autograd.grad(y.sin().sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(part.square().sum() for part in first), inputs, allow_unused=True)
    return [y, *first, *second]


def assert_near(actual, expected):
    """1e-6 of the largest."""
    assert (actual - expected).abs().max() <= 1e-6 * expected.abs().max()


@needs_onednn
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (0,), ()])
def test_equals_the_library(limits, shape, has_bias):
    x, weight, bias = draw(*shape, 24), draw(40, 24), draw(40) if has_bias else None
    assert_all = zip(
        first_and_second(linear, x, weight, bias),
        first_and_second(functional.linear, x, weight, bias),
        strict=True,
    )
    for actual, expected in assert_all:
        assert actual.shape == expected.shape
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@needs_onednn
def test_one_pass_is_within_a_millionth(limits):
    x, weight, bias, given = draw(512, 64), draw(96, 64), draw(96), draw(512, 96).detach()
    results = [
        (y, *torch.autograd.grad(y, (x, weight, bias), given))
        for y in (linear(x, weight, bias), functional.linear(x, weight, bias))
    ]
    for actual, expected in zip(*results, strict=True):
        assert_near(actual, expected)


@needs_onednn
def test_what_is_not_contiguous(limits):
    x, weight = draw(24, 6, 5).permute(1, 2, 0), draw(24, 8).mT
    torch.testing.assert_close(linear(x, weight), functional.linear(x, weight), rtol=1e-5, atol=1e-5)


@needs_onednn
def test_gradients_that_are_not_needed_are_none(limits):
    x, weight = draw(3, 4).detach(), draw(5, 4)
    linear(x, weight, draw(5).detach()).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(5, 4))


def test_transforms_and_compilers_see_the_librarys_operation(limits):
    x, weight = draw(6, 3, 4).detach(), draw(5, 4).detach()
    expected = functional.linear(x, weight)
    torch.testing.assert_close(torch.vmap(linear, in_dims=(0, None))(x, weight), expected)
    rows = torch.func.jacrev(lambda row: linear(row, weight).sum(0))(x[0])
    torch.testing.assert_close(rows[:, 0], weight)
    graphs = []

    def backend(graph, _):
        graphs.append([str(node.target) for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    compiled = torch.compile(lambda x: linear(x, weight), fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(x), expected)
    assert len(graphs) == 1 and "linear" in graphs[0][0] and "mkldnn" not in graphs[0][0]


def test_autocast_and_other_dtypes_are_the_librarys(limits):
    layer, x = Linear(4, 5), draw(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert torch.equal(layer.double()(x.double()), functional.linear(x.double(), layer.weight, layer.bias))


CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
flags\t\t: fpu sse2 avx2 avx512f avx512bw

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 26
"""


def test_what_computes_depends_on_the_processor_alone():
    assert read_processor(CPUINFO) == Processor("AuthenticAMD", 26, True)
    assert read_processor("") == Processor("", 0, False)
    assert thresholds(Processor("AuthenticAMD", 26, True)) == (2**21, 2**21)
    assert thresholds(Processor("AuthenticAMD", 25, True)).rows == 2**26
    for other in (
        Processor("AuthenticAMD", 25, False),
        Processor("GenuineIntel", 6, True),
        Processor("", 0, False),
    ):
        assert min(thresholds(other)) == dense.NEVER
    assert thresholds(this_processor()) == dense.LIMITS
