"""The matrix engine, by chunks and by loops, equals the rows it stands for, wherever episodes begin."""

import math

import pytest
import torch

from engram.memory_cores.matrix import decayed_memory, delta_memory, stabilised_memory
from engram.memory_cores.matrix.chunks import Chunks
from engram.memory_cores.matrix.decay import decayed_chunks
from engram.memory_cores.matrix.delta import delta_chunks
from engram.memory_cores.matrix.reference import (
    decayed_memory_reference,
    delta_memory_reference,
    stabilised_memory_reference,
)
from engram.memory_cores.matrix.stabilised import stabilised_chunks

H, K, V = 2, 3, 4
FORMS = ("plain", "heads", "key channels", "value channels", "delta", "gated delta", "stabilised")
WAYS = [(form, way) for form in FORMS for way in ("loops", "chunks")]
FUNCTIONS = {
    "rows": (decayed_memory_reference, delta_memory_reference, stabilised_memory_reference),
    "loops": (decayed_memory, delta_memory, stabilised_memory),
    "chunks": (decayed_chunks, delta_chunks, stabilised_chunks),
}


class Case:
    """Random inputs of one form, [B, T, H, *], with episodes beginning at random."""

    def __init__(self, form, length, reset_rate=0.1, scale=1.0, seed=0, batch=2, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(batch, *shape, dtype=dtype, generator=generator)

        self.form = form
        k, beta = draw(length, H, K), 2 * draw(length, H).sigmoid()
        if "delta" in form:
            k = torch.nn.functional.normalize(k, dim=-1)
        decays = {"heads": (), "gated delta": (), "key channels": (K,), "value channels": (V,)}
        log_decay = -draw(length, H, *decays[form]).abs() * scale if form in decays else None
        gates = {"delta": [beta], "gated delta": [beta], "stabilised": [scale * draw(length, H)]}.get(
            form, []
        )
        last = 3 * draw(length, H) + 2 if form == "stabilised" else log_decay
        self.rows = [draw(length, H, K), k, draw(length, H, V), *gates, last]
        self.is_first = torch.rand(batch, length, generator=generator) < reset_rate
        self.states = [draw(H, K, V), draw(H, K), draw(H)][: 3 if form == "stabilised" else 1]

    def run(self, way, carry_every=0, rows=None, states=None):
        rows, states = rows or self.rows, states or self.states
        decayed, delta, stabilised = FUNCTIONS[way]
        if self.form == "stabilised":
            y, after = stabilised(*rows, self.is_first, tuple(states), carry_every)
            return y, *after
        if "delta" in self.form:
            return delta(*rows, self.is_first, states[0], carry_every)
        return decayed(*rows, self.is_first, states[0], carry_every, self.form == "value channels")


@pytest.mark.parametrize(("form", "way"), WAYS)
def test_random_cases_equal_rows(form, way):
    """406 cases over all: lengths, reset rates, sizes of decays, and which carries are wanted."""
    for trial in range(29):
        length = 1 + (trial * 17) % 101
        rate, scale = (0.0, 0.05, 0.5, 1.0)[trial % 4], (0.01, 1.0, 100.0)[trial % 3]
        case = Case(form, length, rate, scale, seed=trial)
        carry_every = (0, 1, 7, 33, 200)[trial % 5]
        for actual, expected in zip(case.run(way, carry_every), case.run("rows", carry_every), strict=True):
            assert actual.shape == expected.shape
            torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("form", "way"), WAYS)
@pytest.mark.parametrize("carry_every", [0, 9])
def test_gradients_equal_those_of_rows(form, way, carry_every):
    case = Case(form, length=70)

    def gradients(way):
        rows = [None if part is None else part.clone().requires_grad_() for part in case.rows]
        states = [part.clone().requires_grad_() for part in case.states]
        outputs = case.run(way, carry_every, rows, states)
        total = sum(
            (part * torch.arange(1.0, part.numel() + 1).cos().view_as(part)).sum() for part in outputs
        )
        return torch.autograd.grad(total, [part for part in (*rows, *states) if part is not None])

    for actual, expected in zip(gradients(way), gradients("rows"), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("form", "way"), WAYS)
@pytest.mark.parametrize("state", [math.nan, math.inf])
def test_no_carried_nan_reaches_past_a_reset(form, way, state):
    """Values to the bit, and gradients to the rows after it and to the carry, which are zero."""
    case = Case(form, length=40, reset_rate=0.0)
    case.is_first[:, 5] = True

    def after_reset(states):
        rows = [None if part is None else part.clone().requires_grad_() for part in case.rows]
        states = [part.clone().requires_grad_() for part in states]
        y, *after = case.run(way, rows=rows, states=states)
        total = y[:, 5:].sum() + sum(part.sum() for part in after)
        wanted = [part for part in (*rows, *states) if part is not None]
        return y[:, 5:], *after, *torch.autograd.grad(total, wanted)

    poisoned = after_reset([torch.full_like(part, state) for part in case.states])
    for actual, expected in zip(poisoned, after_reset(case.states), strict=True):
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("form", FORMS)
def test_loops_are_differentiable_twice(form):
    """The gradient's gradient is the chunks', and float32 rows go by loops of their own."""
    case = Case(form, length=9)

    def second(way):
        rows = [None if part is None else part.clone().requires_grad_() for part in case.rows]
        wanted = [part for part in rows if part is not None]
        first = torch.autograd.grad(case.run(way, 4, rows)[0].cos().sum(), wanted, create_graph=True)
        return torch.autograd.grad(sum(part.square().sum() for part in first), wanted)

    for actual, expected in zip(second("loops"), second("rows"), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    single = Case(form, length=40, dtype=torch.float32)
    for actual, expected in zip(single.run("loops"), single.run("rows"), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_decayed_memory_by_hand():
    """½ of what was kept, then what is written; the third row begins an episode."""
    ones = torch.ones(1, 4, 1, 1, dtype=torch.float64)
    value = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 4, 1, 1)
    log_decay = torch.full((1, 4, 1), math.log(0.5), dtype=torch.float64)
    is_first = torch.tensor([[False, False, True, False]])
    state = torch.full((1, 1, 1, 1), 8.0, dtype=torch.float64)
    y, after = decayed_memory(ones, ones, value, log_decay, is_first, state)
    torch.testing.assert_close(y.flatten().tolist(), [5.0, 4.5, 3.0, 5.5])
    assert after.item() == pytest.approx(5.5)


def test_the_delta_rule_overwrites_what_a_key_held():
    """Keys e0, e1, e0 with values 1, 2, 3: reading e0 then gives 3, and e1 still 2."""
    keys = torch.eye(2, dtype=torch.float64)[torch.tensor([0, 1, 0])].view(1, 3, 1, 2)
    value = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).view(1, 3, 1, 1)
    beta, is_first = torch.ones(1, 3, 1, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.bool)
    y, after = delta_memory(
        keys, keys, value, beta, None, is_first, torch.zeros(1, 1, 2, 1, dtype=torch.float64)
    )
    torch.testing.assert_close(y.flatten().tolist(), [1.0, 2.0, 3.0])
    torch.testing.assert_close(after.flatten().tolist(), [3.0, 2.0])


@pytest.mark.parametrize(
    ("length", "carry_every", "expected"),
    [
        (256, 0, (256, 8, 32)),
        (102, 0, (102, 4, 26)),
        (100, 33, (33, 2, 17)),
        (100, 1, (1, 1, 1)),
        (5, 9, (5, 1, 5)),
    ],
)
def test_chunks_end_where_carries_are_wanted(length, carry_every, expected):
    chunks = Chunks.of(length, carry_every, longest=32)
    assert (chunks.group, chunks.parts, chunks.chunk) == expected
    rows = torch.arange(1.0, length + 1).view(1, length, 1, 1)
    cut = chunks.heads(rows)
    assert torch.equal(chunks.merge(cut), rows) and (cut == 0).sum() == cut.numel() - length
    ends = chunks.carries(cut.flatten(3).amax(-1), carry_every).flatten().tolist()
    assert ends == (
        [length] if carry_every == 0 else [float(n) for n in range(carry_every, length + 1, carry_every)]
    )


@pytest.mark.parametrize("decayed", [decayed_memory, decayed_chunks])
def test_only_states_at_chunk_ends_are_kept_for_gradients(decayed):
    """Of 512 rows of 8 × 8 matrices, a fraction of what a scan over outer products would keep."""
    rows = [torch.randn(1, 512, 1, 8, requires_grad=True) for _ in range(3)]
    log_decay, is_first = torch.full((1, 512, 1), -0.1), torch.zeros(1, 512, dtype=torch.bool)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        decayed(*rows, log_decay, is_first, torch.zeros(1, 1, 8, 8), 0, False)
    assert 0 < max(sizes) <= 512 * 32
