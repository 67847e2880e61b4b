"""The TCN against torch's own dilated convolutions with weight norm, one episode at a time."""

import pytest
import torch
from core_cases import BATCH, assert_same_carry, flags, make, random_carry, random_rows
from test_contract import TIGHT, assert_same_results, results, sequence, steps
from torch.nn.functional import conv1d, pad


def convolve(layer, x, taps, dilation):
    """A causal convolution of one episode, [T, width], by torch's own weight norm."""
    weight = torch._weight_norm(layer.direction, layer.length, 0)
    kernel = weight.unflatten(1, (taps, -1)).movedim(1, 2)  # [out, in, taps]
    padded = pad(x.T.unsqueeze(0), ((taps - 1) * dilation, 0))
    return conv1d(padded, kernel, layer.bias, dilation=dilation).squeeze(0).T


def slow_tcn(core, x, is_first):
    """Cut rows [T, I] into episodes, and run each alone."""
    begins = is_first.nonzero().flatten().tolist()
    ends = [end for end in begins if end > 0] + [len(x)]
    outputs, begin = [], 0
    for end in ends:
        u = core.embed(x[begin:end])
        for layer in core.layers:
            v = convolve(layer.first, u, layer.taps, layer.dilation).relu()
            v = convolve(layer.second, v, layer.taps, layer.dilation).relu()
            u = (u + v).relu()
        outputs.append(u)
        begin = end
    return torch.cat(outputs)


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_equals_torch_s_convolutions(kernel_size):
    core = make("tcn", num_layers=3, kernel_size=kernel_size)
    for name, parameter in core.named_parameters():
        if "bias" in name or "length" in name:  # away from their initial values, so that their place shows
            torch.nn.init.normal_(parameter)
    x, is_first = random_rows(length=40).requires_grad_(), torch.zeros(BATCH, 40, dtype=torch.bool)
    is_first[1, [0, 5, 6, 22]] = True
    y, _ = core(x, core.initial_carry(BATCH), is_first)
    expected = torch.stack([slow_tcn(core, rows, first) for rows, first in zip(x, is_first, strict=True)])
    torch.testing.assert_close(y, expected, **TIGHT)
    weight, inputs = torch.randn_like(y), [x, *core.parameters()]
    grads = torch.autograd.grad((y * weight).sum(), inputs)
    expected_grads = torch.autograd.grad((expected * weight).sum(), inputs)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, **TIGHT)


def test_six_blocks_see_what_the_card_says():
    core = make("tcn", num_layers=6, kernel_size=3)
    with torch.no_grad():  # nothing is cut off by a ReLU
        for name, parameter in core.named_parameters():
            parameter.copy_(1.0 if "bias" in name else parameter.abs())
    x = random_rows(length=300).abs().requires_grad_()
    y, _ = core(x, core.initial_carry(BATCH), flags("none", 300))
    (grad,) = torch.autograd.grad(y[:, 290].sum(), x)
    seen = grad[0].abs().sum(-1).nonzero().flatten().tolist()
    assert seen == list(range(290 - 252, 291))
    assert "252" in core.card.memory_length


@pytest.mark.parametrize("kernel_size", [2, 5])
def test_other_kernels_keep_the_contract(kernel_size):
    core = make("tcn", kernel_size=kernel_size)
    case = (core, random_rows(length=14), random_carry(core), flags("random", 14))
    assert_same_results(results(*case, sequence), results(*case, steps), **TIGHT)


@torch.no_grad()
def test_donated_steps_write_in_place():
    """The rings stay where they are over many wraps, and equal those of copying steps."""
    core = make("tcn")
    x, is_first = random_rows(length=30), flags("none", 30)
    is_first[1, 17] = True
    carry, expected = core.initial_carry(BATCH), core.initial_carry(BATCH)
    keys = [(f"layer_{index}", name) for index in range(2) for name in ("first", "second")]
    places = [carry[key].data_ptr() for key in keys]
    for t in range(30):
        y, carry = core.step(x[:, t], carry, is_first[:, t], donate=True)
        expected_y, expected = core.step(x[:, t], expected, is_first[:, t])
        assert [carry[key].data_ptr() for key in keys] == places
        torch.testing.assert_close(y, expected_y, **TIGHT)
    assert_same_carry(carry, expected, **TIGHT)
