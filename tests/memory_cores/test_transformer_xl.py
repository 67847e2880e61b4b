"""Transformer-XL against loops over lists of tokens, with either norm and either kind of positions."""

import math

import pytest
import torch
from core_cases import BATCH, flags, make, random_carry, random_rows
from test_contract import TIGHT, assert_same_results, results, sequence, split_at, steps
from test_gtrxl import slow_attention

from engram.memory_cores import TransformerXL
from engram.memory_cores.cache import window_attention

HEADS, MEMORY = 2, 4
OPTIONS = [("pre", "relative"), ("post", "relative"), ("pre", "rotary"), ("post", "rotary")]


def small(norm, positions):
    # slow_attention is written for heads of 3; rotary ones are even.
    size = 3 if positions == "relative" else 6
    options = {"norm": norm, "positions": positions, "num_heads": HEADS, "head_size": size}
    core = make("transformer_xl", memory_length=MEMORY, **options)
    for name, parameter in core.named_parameters():
        if "bias" in name:  # away from zero, so that their place in the equations shows
            torch.nn.init.normal_(parameter)
    return core


def turn(x, row):
    """Turn pair i of a head, whose halves are the real and the imaginary parts, by row · 10000^(-2i / size)."""
    half = len(x) // 2
    angles = torch.tensor([row * 1e4 ** (-i / half) for i in range(half)], dtype=torch.float64)
    turned = torch.complex(x[:half], x[half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag])


def slow_rotary(attention, tokens, row):
    """Attend from the last of the tokens, which is the given row of its episode, to all of them."""
    size, reads = attention.head_size, []
    key_weight, value_weight = attention.key_value.weight.chunk(2)
    for head in range(HEADS):
        rows = slice(head * size, (head + 1) * size)
        query = turn(attention.query.weight[rows] @ tokens[-1], row)
        first = row - len(tokens) + 1
        keys = [turn(key_weight[rows] @ token, first + n) for n, token in enumerate(tokens)]
        weights = torch.stack([query @ key / math.sqrt(size) for key in keys]).softmax(0)
        reads.append(weights @ torch.stack([value_weight[rows] @ token for token in tokens]))
    return attention.output(torch.cat(reads))


def slow_core(core, x, is_first, positions):
    u = core.embed(x)
    for layer in core.layers:
        rows, is_pre = [], layer.norm == "pre"
        for b in range(len(x)):
            tokens, row = [], 0
            for t in range(x.shape[1]):
                tokens, row = ([], 0) if is_first[b, t] else (tokens, row)
                v = u[b, t]
                tokens = [*tokens, layer.attention_norm(v) if is_pre else v][-MEMORY - 1 :]
                if positions == "relative":
                    read = slow_attention(layer.attention, tokens)
                else:
                    read = slow_rotary(layer.attention, tokens, row)
                v = v + read if is_pre else layer.attention_norm(v + read)
                v = v + layer.mlp(layer.mlp_norm(v)) if is_pre else layer.mlp_norm(v + layer.mlp(v))
                rows.append(v)
                row += 1
        u = torch.stack(rows).view_as(u)
    return u


@pytest.mark.parametrize(("norm", "positions"), OPTIONS)
def test_equals_a_loop_over_lists(monkeypatch, norm, positions):
    """Values and gradients, over several slices and many windows."""
    monkeypatch.setattr(window_attention, "SLICE", 7)
    core = small(norm, positions)
    x, is_first = random_rows(length=20).requires_grad_(), torch.zeros(BATCH, 20, dtype=torch.bool)
    is_first[1, [5, 6, 15]] = True
    y, _ = core(x, core.initial_carry(BATCH), is_first)
    expected = slow_core(core, x, is_first, positions)
    torch.testing.assert_close(y, expected, **TIGHT)
    weight, inputs = torch.randn_like(y), [x, *core.parameters()]
    grads = torch.autograd.grad((y * weight).sum(), inputs)
    expected_grads = torch.autograd.grad((expected * weight).sum(), inputs)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert torch.count_nonzero(grad) > 0
        torch.testing.assert_close(grad, expected_grad, **TIGHT)


@pytest.mark.parametrize(("norm", "positions"), OPTIONS[1:])
def test_other_options_keep_the_contract(monkeypatch, norm, positions):
    core = small(norm, positions)
    case = (core, random_rows(length=12), random_carry(core), flags("random", 12))
    expected = results(*case, sequence)
    assert_same_results(results(*case, steps), expected, **TIGHT)
    monkeypatch.setattr(window_attention, "SLICE", 3)
    assert_same_results(results(*case, split_at(1, 2, 9)), expected, **TIGHT)


@torch.no_grad()
def test_a_late_row_is_like_an_early_one():
    """Rotary angles do not grow with the episode."""
    core = small("pre", "rotary").float()
    x, carry, is_first = random_rows(torch.float32), random_carry(core), flags("none")
    late = carry.clone()
    late["count"] += 10_000_000 * (MEMORY + 1)
    early_full = carry.clone()
    early_full["count"] += 10 * (MEMORY + 1)
    torch.testing.assert_close(core(x, late, is_first)[0], core(x, early_full, is_first)[0], rtol=0, atol=0)


def test_rotary_heads_are_even():
    with pytest.raises(ValueError, match="head_size of TransformerXL must be even with rotary positions"):
        TransformerXL(5, 8, head_size=3, positions="rotary")
