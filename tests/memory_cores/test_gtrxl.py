"""GTrXL against loops over lists of tokens, and what a window over the episode must do."""

import pytest
import torch
from core_cases import BATCH, assert_same_carry, flags, make, random_carry, random_rows, run_steps
from test_contract import TIGHT, assert_same_results, results, sequence

from engram.memory_cores import GTrXL
from engram.memory_cores.cache import window_attention
from engram.memory_cores.cache.attention import sinusoids, to_band

HEADS, SIZE, MEMORY = 2, 3, 4


def slow_attention(attention, tokens):
    """Attend from the last of the tokens to all of them, head by head."""
    width = len(tokens[0])
    query, key_value = attention.query.weight, attention.key_value.weight
    heads = []
    for head in range(HEADS):
        rows = slice(head * SIZE, (head + 1) * SIZE)
        q = query[rows] @ tokens[-1]
        scores, values = [], []
        for age, token in enumerate(reversed(tokens)):
            angles = [age * 1e4 ** (-2 * i / width) for i in range(width // 2)]
            place = torch.tensor([*angles], dtype=torch.float64)
            place = torch.cat([place.sin(), place.cos()]).float().double()
            content = (q + attention.content_bias[head, 0]) @ (key_value[: HEADS * SIZE][rows] @ token)
            distance = (q + attention.age_bias[head, 0]) @ (attention.age.weight[rows] @ place)
            scores.append((content + distance) / SIZE**0.5)
            values.append(key_value[HEADS * SIZE :][rows] @ token)
        heads.append(torch.stack(scores).softmax(0) @ torch.stack(values))
    return attention.output(torch.cat(heads))


def slow_gate(gate, x, y):
    width = len(x)
    reset_y, update_y, candidate_y = (weight @ y for weight in gate.branch.weight.split(width))
    reset_x, update_x = (weight @ x for weight in gate.stream.weight.split(width))
    z = torch.sigmoid(update_y + update_x - gate.bias)
    candidate = torch.tanh(candidate_y + gate.candidate.weight @ (torch.sigmoid(reset_y + reset_x) * x))
    return (1 - z) * x + z * candidate


def slow_gtrxl(core, x, is_first):
    u = core.embed(x)
    for layer in core.layers:
        rows = []
        for b in range(len(x)):
            tokens = []
            for t in range(x.shape[1]):
                tokens = [] if is_first[b, t] else tokens
                tokens = [*tokens, layer.norm(u[b, t])][-MEMORY - 1 :]
                v = slow_gate(layer.attention_gate, u[b, t], slow_attention(layer.attention, tokens).relu())
                rows.append(slow_gate(layer.mlp_gate, v, layer.mlp(v).relu()))
        u = torch.stack(rows).view_as(u)
    return u


def lively(core):
    """Biases away from zero, so that their place in the equations shows."""
    for layer in core.layers:
        torch.nn.init.normal_(layer.attention.content_bias)
        torch.nn.init.normal_(layer.attention.age_bias)
    return core


def test_equals_a_loop_over_lists(monkeypatch):
    """Values and gradients, over several slices and many windows."""
    monkeypatch.setattr(window_attention, "SLICE", 7)
    core = lively(make("gtrxl", memory_length=MEMORY, num_heads=HEADS, head_size=SIZE))
    x, is_first = random_rows(length=30).requires_grad_(), torch.zeros(BATCH, 30, dtype=torch.bool)
    is_first[1, [5, 6, 20]] = True
    is_first[2, 27] = True
    y, _ = core(x, core.initial_carry(BATCH), is_first)
    expected = slow_gtrxl(core, x, is_first)
    torch.testing.assert_close(y, expected, **TIGHT)
    weight, inputs = torch.randn_like(y), [x, *core.parameters()]
    grads = torch.autograd.grad((y * weight).sum(), inputs)
    expected_grads = torch.autograd.grad((expected * weight).sum(), inputs)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert torch.count_nonzero(grad) > 0
        torch.testing.assert_close(grad, expected_grad, **TIGHT)


@pytest.mark.parametrize("kind", ["none", "random", "edges"])
def test_slices_change_nothing(monkeypatch, kind):
    core = lively(make("gtrxl"))
    case = (core, random_rows(length=30), random_carry(core), flags(kind, 30))
    expected = results(*case, sequence)
    for rows in (1, 3, 4, 8):
        monkeypatch.setattr(window_attention, "SLICE", rows)
        assert_same_results(results(*case, sequence), expected, **TIGHT)


def test_a_row_sees_its_window_and_no_more():
    core = make("gtrxl", num_layers=1, memory_length=MEMORY)
    x = random_rows(length=20).requires_grad_()
    y, _ = core(x, core.initial_carry(BATCH), flags("none", 20))
    for t in (2, 4, 5, 12, 19):
        (grad,) = torch.autograd.grad(y[:, t].sum(), x, retain_graph=True)
        seen = grad[0].abs().sum(-1).nonzero().squeeze(1).tolist()
        assert seen == list(range(max(0, t - MEMORY), t + 1))


def test_bands():
    by_age = torch.arange(1.0, 7.0).view(2, 3)
    assert to_band(by_age, 2).tolist() == [[1, 2, 3, 0], [0, 4, 5, 6]]


def test_sinusoids():
    table = sinusoids(3, 4)
    torch.testing.assert_close(table[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    # sin 2, sin 0.02, cos 2, cos 0.02
    torch.testing.assert_close(table[2], torch.tensor([0.9092974, 0.0199987, -0.4161468, 0.9998000]))


@torch.no_grad()
def test_donated_steps_write_in_place():
    """The store stays where it is over many wraps of its ring, and equals that of copying steps."""
    core = make("gtrxl")
    x, is_first = random_rows(length=30), flags("none", 30)
    is_first[1, 17] = True
    carry, expected = core.initial_carry(BATCH), core.initial_carry(BATCH)
    places = [carry[key, "tokens"].data_ptr() for key in ("layer_0", "layer_1")]
    for t in range(30):
        y, carry = core.step(x[:, t], carry, is_first[:, t], donate=True)
        expected_y, expected = core.step(x[:, t], expected, is_first[:, t])
        assert [carry[key, "tokens"].data_ptr() for key in ("layer_0", "layer_1")] == places
        torch.testing.assert_close(y, expected_y, **TIGHT)
    assert_same_carry(carry, expected, **TIGHT)


@torch.no_grad()
def test_a_late_row_is_like_an_early_one():
    core = make("gtrxl")
    x, is_first = random_rows(length=20), flags("none", 20)
    _, carry, _ = run_steps(core, x, core.initial_carry(BATCH), is_first)
    late = carry.clone()
    late["count"] += 10_000_000 * (MEMORY + 1)
    assert torch.equal(
        core.step(x[:, 0], late, is_first[:, 0])[0], core.step(x[:, 0], carry, is_first[:, 0])[0]
    )
    torch.testing.assert_close(core(x, late, is_first)[0], core(x, carry, is_first)[0], **TIGHT)


def test_wrong_options_get_a_sentence():
    for name in ("num_layers", "num_heads", "head_size", "memory_length", "mlp_size"):
        with pytest.raises(
            ValueError, match=f"{name} of GTrXL must be a whole number from 1 to .*, but got 0"
        ):
            GTrXL(5, 8, **{name: 0})


@pytest.mark.slow
def test_a_long_sequence_runs():
    core = make("gtrxl", torch.float32)
    x, is_first = torch.randn(1, 65_536, 5), torch.rand(1, 65_536) < 1e-3
    y, _ = core(x, core.initial_carry(1), is_first)
    y.square().mean().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in core.parameters())
