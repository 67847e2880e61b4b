"""The block GRU: literal numbers, blocks that keep to themselves, and TorchRL's as the oracle."""

import math

import pytest
import torch
from torch.nn.functional import silu

from engram.memory_cores import BlockGRU


def make(input_size=3, hidden_size=8, projection_size=4, blocks=2, **options):
    torch.manual_seed(0)
    return BlockGRU(input_size, hidden_size, projection_size, blocks, **options).double()


def silent(core):
    """Leave nothing but the gates' biases."""
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
    return core


def test_gates_by_hand():
    """reset 0, candidate 2, update 1: h' = h + σ(1 - 1) (tanh(σ(0) · 2) - h), the reset inside the tanh."""
    core = silent(make(hidden_size=2, blocks=2))
    with torch.no_grad():
        core.gate_bias.copy_(torch.tensor([0.0, 2.0, 1.0]).expand(2, 1, 3))
    x, is_first = torch.randn(1, 3, 3, dtype=torch.float64), torch.tensor([[False, False, True]])
    y, _ = core(x, core.initial_carry(1), is_first)
    tanh_1 = 0.7615941559557649
    expected = torch.tensor([tanh_1 / 2, tanh_1 * 3 / 4, tanh_1 / 2], dtype=torch.float64)
    torch.testing.assert_close(y[0, :, 0], expected)


def test_it_begins_by_keeping():
    """σ(-1) = 0.2689 of the candidate is taken per row, unless told otherwise."""
    for bias, share in ((-1.0, 0.2689414213699951), (0.0, 0.5)):
        core = silent(make(update_bias=bias))
        carry = core.initial_carry(1)
        carry["hidden"] += 1.0
        y, _ = core.step(torch.ones(1, 3, dtype=torch.float64), carry, torch.zeros(1, dtype=torch.bool))
        torch.testing.assert_close(y, torch.full_like(y, 1 - share))


def test_one_row_by_hand():
    """Widths of one, all weights one: p = silu(±1) up to the norm's epsilon, likewise s."""
    core = silent(make(input_size=1, hidden_size=1, projection_size=1, blocks=1))
    with torch.no_grad():
        for weight in (core.projection.weight, core.input.weight, core.shared.weight, core.own):
            weight.fill_(1.0)
        core.projection_norm.weight.fill_(1.0)
        core.norm.weight.fill_(1.0)
        core.gate_weight.copy_(torch.tensor([[[0.0, 1.0, 1.0]]]))
    carry = core.initial_carry(1)
    carry["hidden"] += 0.5
    x = torch.full((1, 1), 0.25, dtype=torch.float64)
    y, _ = core.step(x, carry, torch.zeros(1, dtype=torch.bool))

    def sigmoid(value):
        return 1 / (1 + math.exp(-value))

    def block(value):
        normed = value / math.sqrt(value**2 + 1e-4)
        return normed * sigmoid(normed)

    state = block(0.25 + block(0.5) + 0.5)
    expected = 0.5 + sigmoid(state - 1) * (math.tanh(state / 2) - 0.5)
    assert math.isclose(y.item(), expected, rel_tol=1e-12)


def test_blocks_meet_in_the_projection_and_the_norm_alone():
    core = make(hidden_size=8, blocks=4)
    with torch.no_grad():
        core.shared.weight.zero_()
        core.norm = torch.nn.Identity()
    x, is_first = torch.randn(1, 3, dtype=torch.float64), torch.zeros(1, dtype=torch.bool)

    def after(hidden):
        return core.step(x, core.initial_carry(1).set("hidden", hidden), is_first)[0]

    touched = torch.autograd.functional.jacobian(after, torch.randn(1, 8, dtype=torch.float64))[0, :, 0] != 0
    assert torch.equal(touched, torch.block_diag(*torch.ones(4, 2, 2)).bool())


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_torchrl_agrees(blocks):
    """Values and gradients of its sequence, resets included, on its projected input."""
    modules = pytest.importorskip("torchrl.modules")
    torch.manual_seed(1)
    peer = modules.DreamerV3BlockGRU(5, 8, projection_size=4, num_blocks=blocks).double()
    core = make(input_size=4, hidden_size=8, projection_size=4, blocks=blocks)
    cell, size = peer.cell, 8 // blocks
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        core.projection.load_state_dict(cell.hidden_linear.state_dict())
        core.projection_norm.load_state_dict(cell.hidden_norm.state_dict())
        core.norm.load_state_dict(cell.dynamic_norms[0].state_dict())
        # Its blocks read their own part of the state, then the input, then the projection, side by side.
        own, from_x, from_p = cell.dynamic_linears[0].weight.split([size, 4, 4], dim=1)
        core.own.copy_(own)
        core.input.weight.copy_(from_x.transpose(1, 2).flatten(0, 1))
        core.shared.weight.copy_(from_p.transpose(1, 2).flatten(0, 1))
        core.input.bias.copy_(cell.dynamic_linears[0].bias)
        core.gate_weight.copy_(cell.gates.weight)
        core.gate_bias.copy_(cell.gates.bias.view(blocks, 1, 3 * size))
    x = torch.randn(3, 7, 5, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    is_first = torch.rand(3, 7) < 0.3
    theirs, _ = peer(x, hidden, is_first)
    embedded = silu(cell.input_norm(cell.input_linear(x)))
    ours, carry = core(embedded, core.initial_carry(3).set("hidden", hidden), is_first)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # its norms are in float32
    torch.testing.assert_close(carry["hidden"], theirs[:, -1], rtol=1e-5, atol=1e-6)
    weights = torch.randn_like(ours)
    grads = [torch.autograd.grad((y * weights).sum(), (x, hidden)) for y in (ours, theirs)]
    for mine, its in zip(*grads, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)


def test_the_initial_weights_count_all_blocks():
    torch.manual_seed(0)
    core = BlockGRU(64, 512, 64, 8)
    first = (512 + 8 * 128) ** -0.5
    deviations = {"own": first, "input.weight": first, "shared.weight": first}
    deviations |= {"gate_weight": 512**-0.5, "projection.weight": 512**-0.5}
    parameters = dict(core.named_parameters())
    for name, deviation in deviations.items():
        torch.testing.assert_close(parameters[name].std().item(), deviation, rtol=0.03, atol=0)
        assert parameters[name].abs().max() <= 2 * deviation / 0.87962566 + 1e-6
    for name in ("input.bias", "projection.bias", "gate_bias"):
        assert (parameters[name] == 0).all()


def test_sizes_that_cannot_work():
    with pytest.raises(
        ValueError, match=r"hidden_size of BlockGRU must be a multiple of blocks \(4\), but got 10"
    ):
        BlockGRU(3, 10, 4, 4)
    with pytest.raises(ValueError, match="projection_size of BlockGRU must be a whole number"):
        BlockGRU(3, 8, 0, 4)
