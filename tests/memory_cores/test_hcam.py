"""HCAM against loops over lists of tokens, and what a store of chunks must do."""

from functools import partial

import pytest
import torch
from core_cases import BATCH, assert_same_carry, flags, make, random_carry, random_rows, run_steps
from test_contract import TIGHT, assert_same_results, results, sequence, split_at, steps

from engram.memory_cores import FFM, HCAM, LSTM, MLP, GTrXL
from engram.memory_cores.cache import chunk_attention, chunks, store
from engram.memory_cores.cache.attention import masked_softmax

HEADS = 2


def position_table(length, width):
    """Row p encodes position p: sin(p * 10000^(-f / width)) for f = 0, 2, …, then the cosines."""
    table = torch.zeros(length, width, dtype=torch.float64)
    for p in range(length):
        for i in range(width // 2):
            angle = torch.tensor(p * 1e4 ** (-2 * i / width), dtype=torch.float64)
            table[p, i], table[p, width // 2 + i] = angle.sin(), angle.cos()
    return table.float().double()  # as the core, which is made in single precision


def softmax(numbers):
    powers = [(number - max(numbers).detach()).exp() for number in numbers]
    return [power / sum(powers) for power in powers]


def slow_read(read, x, complete, partial_chunk, top_k):
    """Section by section: rank the summaries, then attend inside every selected chunk, head by head."""
    width, table = len(x), position_table(read.chunk_length, len(x))
    size = width // HEADS
    candidates = [(chunk, sum(chunk) / len(chunk)) for chunk in complete]
    relevance_query = read.relevance_query.weight @ x

    def relevance(summary):
        return relevance_query @ (read.relevance_key.weight @ summary) / width**0.5

    chosen = sorted(candidates, key=lambda pair: -relevance(pair[1]).item())[:top_k]
    if partial_chunk:
        chosen.append((partial_chunk, sum(partial_chunk) / len(partial_chunk)))
    if not chosen:
        return torch.zeros_like(x)
    weights = softmax([relevance(summary) for _, summary in chosen])
    total = 0
    for weight, (chunk, _) in zip(weights, chosen, strict=True):
        placed = [token + table[read.chunk_length - 1 - offset] for offset, token in enumerate(chunk)]
        heads = []
        for head in range(HEADS):
            rows = slice(head * size, (head + 1) * size)
            key_weight, value_weight = (
                read.key_value.weight[:width][rows],
                read.key_value.weight[width:][rows],
            )
            query = read.query.weight[rows] @ x
            inside = softmax([query @ (key_weight @ token) / size**0.5 for token in placed])
            heads.append(sum(p * (value_weight @ token) for p, token in zip(inside, placed, strict=True)))
        total = total + weight * (read.output.weight @ torch.cat(heads))
    return total


def slow_hcam(core, x, is_first, num_chunks, top_k, attend_partial=True):
    """Outputs of a core of one layer from an empty carry, one row of one environment after the other."""
    (layer,) = core.layers
    u = core.embed(x)
    inner, _ = layer.inner(layer.inner_norm(u), layer.inner.initial_carry(len(x)), is_first)
    v = u + inner
    rows = []
    for b in range(len(x)):
        complete, filling = [], []
        for t in range(x.shape[1]):
            if is_first[b, t]:
                complete, filling = [], []
            query = layer.read_norm(v[b, t])
            y = slow_read(layer.read, query, complete, filling if attend_partial else [], top_k)
            rows.append(v[b, t] + y)
            filling = [*filling, query.detach() if layer.stop_gradient else query]
            if len(filling) == layer.read.chunk_length:
                complete, filling = [*complete, filling][-num_chunks:], []
    return torch.stack(rows).view_as(v)


SIZES = {"num_heads": HEADS, "num_layers": 1}


@pytest.mark.parametrize(
    ("attend_partial", "stop_gradient", "num_chunks", "top_k"),
    [
        (True, True, 4, 4),
        (False, False, 4, 4),
        (True, False, 3, 2),
        (False, True, 3, 2),
        (True, True, 5, 1),
        (False, False, 5, 1),
    ],
)
def test_equals_a_loop_over_lists(monkeypatch, attend_partial, stop_gradient, num_chunks, top_k):
    """Values and gradients; 40 rows are many more than the store holds, and several slices."""
    monkeypatch.setattr(chunk_attention, "SLICE", 7)
    options = {"num_chunks": num_chunks, "chunk_length": 3, "top_k": top_k, "stop_gradient": stop_gradient}
    core = make("hcam", attend_partial=attend_partial, **options, **SIZES)
    x, is_first = random_rows(length=40).requires_grad_(), torch.zeros(BATCH, 40, dtype=torch.bool)
    is_first[1, [5, 6, 20]] = True
    is_first[2, 33] = True
    y, _ = core(x, core.initial_carry(BATCH), is_first)
    expected = slow_hcam(core, x, is_first, num_chunks, top_k, attend_partial)
    torch.testing.assert_close(y, expected, **TIGHT)
    weight = torch.randn_like(y)
    inputs = [x, *core.parameters()]
    grads = torch.autograd.grad((y * weight).sum(), inputs)
    expected_grads = torch.autograd.grad((expected * weight).sum(), inputs)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert top_k == 1 or torch.count_nonzero(grad) > 0
        torch.testing.assert_close(grad, expected_grad, **TIGHT)


def test_chunk_weights_are_those_worked_out_by_hand():
    relevance = torch.tensor([1.0, 3.0, 2.0, 9.0])
    index, is_valid = chunks.select_chunks(relevance, torch.tensor([True, True, True, False]), top_k=2)
    assert index.tolist() == [1, 2]
    weights = masked_softmax(relevance[index], is_valid)
    torch.testing.assert_close(weights, torch.tensor([0.731059, 0.268941]), rtol=0, atol=1e-6)


def test_the_older_of_two_chunks_alike_is_read():
    relevance = torch.tensor([[0.0, 1.0, 1.0, 1.0, 2.0]])
    index, _ = chunks.select_chunks(relevance, torch.ones(1, 5, dtype=torch.bool), top_k=3)
    assert index.tolist() == [[4, 1, 2]]


def test_softmax_of_nothing_is_zero_with_its_gradient():
    scores = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    weights = masked_softmax(scores, torch.tensor([[False] * 3, [True, False, True]]))
    weights.square().sum().backward()
    assert torch.equal(weights[0], torch.zeros(3)) and torch.equal(scores.grad[0], torch.zeros(3))
    assert weights[1, 1] == 0 and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("kind", ["none", "random", "edges"])
def test_contract_with_gradients_stopped(kind):
    core = make("hcam", stop_gradient=True)
    assert {("layer_0", "tokens"), ("layer_0", "sums"), "count"} <= set(core.no_gradient_keys)
    case = (core, random_rows(), random_carry(core), flags(kind))
    expected = results(*case, sequence)
    assert_same_results(results(*case, steps), expected, **TIGHT)
    assert_same_results(results(*case, split_at(2, 3, 6)), expected, **TIGHT)


@pytest.mark.parametrize(
    "make_inner",
    [
        partial(GTrXL, hidden_size=8, num_layers=1, num_heads=2, head_size=3, memory_length=3, mlp_size=8),
        partial(FFM, hidden_size=8, memory_size=2),
        partial(MLP, hidden_size=8),
    ],
)
def test_other_inner_memories(make_inner):
    torch.manual_seed(0)
    options = {"num_chunks": 3, "chunk_length": 2, "top_k": 2, "num_heads": 2, "stop_gradient": False}
    core = HCAM(5, 8, num_layers=2, make_inner=make_inner, **options).double()
    case = (core, random_rows(), random_carry(core), flags("random"))
    assert_same_results(results(*case, steps), results(*case, sequence), **TIGHT)
    assert core.carry_features(case[2]).shape == (BATCH, core.carry_size())


@pytest.mark.parametrize("kind", ["none", "random", "edges"])
def test_slices_change_nothing(monkeypatch, kind):
    core = make("hcam")
    case = (core, random_rows(length=30), random_carry(core), flags(kind, 30))
    expected = results(*case, sequence)
    for rows in (1, 3, 4, 8):
        monkeypatch.setattr(chunk_attention, "SLICE", rows)
        assert_same_results(results(*case, sequence), expected, **TIGHT)


def test_chunks_that_nobody_can_reach_are_not_unrolled():
    """Carried rows of 37 and 90, where row 0 begins an episode or not; 16 rows a chunk, 5 kept at most."""
    count = torch.tensor([37, 90])
    neither, second = torch.zeros(2, 3, dtype=torch.bool), torch.tensor([[False] * 3, [True, False, False]])

    def needed(is_first, rows, num_chunks=5):
        return chunks.needed_chunks(count, store.timeline(count, is_first), num_chunks, 16, rows)

    assert needed(neither, 0) == 5 and needed(neither, 0, num_chunks=9) == 5 and needed(neither, 6, 9) == 6
    assert needed(second, 0) == 2 and needed(second, 11) == 3 and needed(second, 128) == 5
    assert needed(torch.ones(2, 3, dtype=torch.bool), 15) == 0


@pytest.mark.parametrize(("num_chunks", "chunk_length"), [(1, 1), (3, 1), (1, 4), (2, 20)])
def test_unusual_sizes(num_chunks, chunk_length):
    """A chunk of one row is complete at once; one of 20 rows is longer than the sequence."""
    core = make("hcam", num_chunks=num_chunks, chunk_length=chunk_length, top_k=1)
    for kind in ("none", "random"):
        case = (core, random_rows(), random_carry(core), flags(kind))
        expected = results(*case, sequence)
        assert_same_results(results(*case, steps), expected, **TIGHT)
        assert_same_results(results(*case, split_at(1, 4)), expected, **TIGHT)


def identity_core(num_chunks, chunk_length, top_k, sharpness):
    """A core that reads what its input is most alike: u + Σ w p (token + position)."""
    width = 16
    options = {"num_chunks": num_chunks, "chunk_length": chunk_length, "top_k": top_k, "num_heads": 1}
    core = HCAM(width, width, make_inner=partial(MLP, hidden_size=width), **options).double()
    (layer,) = core.layers
    for parameter in layer.inner.parameters():
        torch.nn.init.zeros_(parameter)
    layer.read_norm = torch.nn.Identity()
    read = layer.read
    identity = torch.eye(width, dtype=torch.float64)
    read.relevance_query.weight.data = read.query.weight.data = identity * sharpness
    read.key_value.weight.data = torch.cat([identity, identity])
    read.relevance_key.weight.data = read.output.weight.data = identity.clone()
    return core


def test_a_token_is_found_after_ten_thousand_rows():
    length, chunk_length = 10_000, 16
    core = identity_core(
        num_chunks=length // chunk_length, chunk_length=chunk_length, top_k=4, sharpness=2000.0
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.eye(16, dtype=torch.float64)[torch.randint(1, 16, (1, length + 1), generator=generator)]
    x[:, 0] = x[:, -1] = torch.eye(16, dtype=torch.float64)[0]  # orthogonal to all between
    is_first = torch.zeros(1, length, dtype=torch.bool)
    with torch.no_grad():
        _, carry = core(x[:, :-1], core.initial_carry(1), is_first)
        y, _ = core.step(x[:, -1], carry, is_first[:, 0])
    found = y[0] - x[0, -1] - position_table(chunk_length, 16)[chunk_length - 1]
    torch.testing.assert_close(found, x[0, 0], rtol=0, atol=1e-5)


def test_nothing_stored_reads_nothing():
    core = make("hcam", num_layers=1)
    (layer,) = core.layers
    x, is_first = random_rows(length=1), torch.ones(BATCH, 1, dtype=torch.bool)
    u = core.embed(x)
    expected = u + layer.inner(layer.inner_norm(u), layer.inner.initial_carry(BATCH), is_first)[0]
    assert torch.equal(core(x, random_carry(core), is_first)[0], expected)
    stepped = core.step(x[:, 0], random_carry(core), is_first[:, 0])[0]
    torch.testing.assert_close(stepped, expected[:, 0], **TIGHT)


@torch.no_grad()
def test_donated_steps_write_in_place():
    """The store stays where it is over many wraps of its ring, and equals that of copying steps."""
    core = make("hcam", stop_gradient=True, num_layers=2)
    x, is_first = random_rows(length=60), flags("none", 60)
    is_first[1, 31] = True
    stores = [(f"layer_{index}", name) for index in range(2) for name in ("tokens", "sums")]
    carry, expected = core.initial_carry(BATCH), core.initial_carry(BATCH)
    places = [carry[key].data_ptr() for key in stores]
    for t in range(60):
        y, carry = core.step(x[:, t], carry, is_first[:, t], donate=True)
        expected_y, expected = core.step(x[:, t], expected, is_first[:, t])
        assert [carry[key].data_ptr() for key in stores] == places
        torch.testing.assert_close(y, expected_y, **TIGHT)
    assert_same_carry(carry, expected, **TIGHT)


@torch.no_grad()
def test_a_late_row_is_like_an_early_one():
    core = make("hcam")
    x, is_first = random_rows(length=40), flags("none", 40)
    _, carry, _ = run_steps(core, x, core.initial_carry(BATCH), is_first)
    late = carry.clone()
    late["count"] += 10_000_000 * core.layers[0].carry_spec()["tokens"].shape[0]
    assert torch.equal(
        core.step(x[:, 0], late, is_first[:, 0])[0], core.step(x[:, 0], carry, is_first[:, 0])[0]
    )
    torch.testing.assert_close(core(x, late, is_first)[0], core(x, carry, is_first)[0], **TIGHT)


def test_wrong_options_get_a_sentence():
    with pytest.raises(ValueError, match=r"top_k of HCAM must be at most num_chunks \(4\), but got 5"):
        HCAM(5, 8, num_chunks=4, top_k=5)
    with pytest.raises(
        ValueError, match=r"hidden_size of HCAM must be a multiple of num_heads \(3\), but got 8"
    ):
        HCAM(5, 8, num_heads=3)
    with pytest.raises(
        ValueError, match=r"hidden_size of HCAM must be the output_size of its inner core \(4\), but got 8"
    ):
        HCAM(5, 8, make_inner=partial(LSTM, hidden_size=4))
    with pytest.raises(ValueError, match="chunk_length of HCAM must be a whole number"):
        HCAM(5, 8, chunk_length=0)


@pytest.mark.slow
def test_a_long_sequence_runs():
    core = make("hcam", torch.float32)
    x, is_first = torch.randn(1, 65_536, 5), torch.rand(1, 65_536) < 1e-3
    y, _ = core(x, core.initial_carry(1), is_first)
    y.square().mean().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in core.parameters())
