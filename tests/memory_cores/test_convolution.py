"""Short convolutions: the compiled loops equal the reference, by hand, in gradients of both orders, and beside NaN."""

import pytest
import torch

from engram.memory_cores.convolution import episode_convolution
from engram.memory_cores.convolution.engine import episode_convolution_reference


def case(length, dtype=torch.float64, taps=4):
    generator = torch.Generator().manual_seed(length)
    x, before, weight = (
        torch.randn(*shape, dtype=dtype, generator=generator, requires_grad=True)
        for shape in ((3, length, 2), (3, taps - 1, 2), (2, taps))
    )
    return x, before, torch.rand(3, length, generator=generator) < 0.3, weight


def test_a_convolution_by_hand():
    """Taps 100, 10, 1; row 3 begins an episode, and 7 and 8 came before."""
    x, before = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1), torch.tensor([7.0, 8.0]).view(1, 2, 1)
    is_first = torch.tensor([[False, False, False, True]])
    weight = torch.tensor([[100.0, 10.0, 1.0]])
    for function in (episode_convolution, episode_convolution_reference):
        assert function(x, before, is_first, weight).flatten().tolist() == [781.0, 812.0, 123.0, 4.0]


@pytest.mark.parametrize("length", [1, 2, 3, 20])
def test_the_loops_equal_the_reference(length):
    x, before, is_first, weight = case(length)
    results = []
    for function in (episode_convolution, episode_convolution_reference):
        y = function(x, before, is_first, weight)
        results.append((y, *torch.autograd.grad((y * y.detach().cos()).sum(), (x, before, weight))))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected)


def test_derivatives_of_both_orders():
    x, before, is_first, weight = case(5)

    def run(x, before, weight):
        return episode_convolution(x, before, is_first, weight)

    assert torch.autograd.gradcheck(run, (x, before, weight))
    assert torch.autograd.gradgradcheck(run, (x, before, weight))


def test_nothing_of_an_earlier_episode_is_read():
    x, before, is_first, weight = case(6)
    is_first[:, 2] = True
    poisoned = torch.where(torch.arange(6).view(1, 6, 1) < 2, torch.nan, x.detach()).requires_grad_()
    y = episode_convolution(poisoned, before.detach() * torch.nan, is_first, weight)[:, 2:]
    assert torch.equal(y, episode_convolution(x, before, is_first, weight)[:, 2:])
    (grad,) = torch.autograd.grad(y.sum(), poisoned)
    assert torch.isfinite(grad[:, 2:]).all()
