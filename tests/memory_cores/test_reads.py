"""What a memory gives, taken apart by rows, against superposition, against the outputs and against numbers by hand."""

import pytest
import torch
from core_cases import INPUT_SIZE, KINDS, LENGTH, flags, make, random_carry, random_rows
from small_cores import NAMES

from engram.memory_cores import HCAM, S5
from engram.memory_cores.carry import Leaf
from engram.memory_cores.matrix import decayed_memory, delta_memory, stabilised_memory
from engram.memory_cores.matrix.reads import decayed_read, delta_read, stabilised_read
from engram.memory_cores.reads import Attention, LinearRead, ring_attention
from engram.memory_cores.scan import linear_scan
from engram.memory_cores.scan_core import ScanCore, real_numbers, scan_read

ATTENTION = {"hcam": 2, "gtrxl": 2, "transformer_xl": 2}
# Cores whose memory is a sum over past rows, by the number of such sums in the small core.
LINEAR = {
    "agalite": 3,
    "delta_net": 2,
    "ffm": 1,
    "fwp": 2,
    "gated_delta_net": 2,
    "gla": 2,
    "gsa": 4,
    "hgrn2": 2,
}
LINEAR |= {"aaren": 4, "linear_attention": 2, "lru": 2, "mamba2": 2, "min_gru": 1, "min_lstm": 1, "mlstm": 2}
LINEAR |= {"r2i": 2, "ret_net": 2, "rg_lru": 2, "s4d": 2, "s5": 2, "s5rl": 2}


class Leaky(ScanCore):
    """y = 2 h with h' = h / 2 + x."""

    def __init__(self):
        super().__init__(1, 1)
        self.c = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def carry_spec(self):
        return {"hidden": Leaf((1,))}

    def equations(self, x, memory):
        a = torch.full((1,), 0.5, dtype=torch.float64)
        return self.c * memory.scan("hidden", a, x, lambda h: self.c * h)


def test_the_contributions_of_a_leaky_average():
    x = torch.tensor([1.0, 0, 3, -1, 2], dtype=torch.float64).reshape(1, 5, 1)
    is_first = torch.tensor([[True, False, False, True, False]])
    core = Leaky()
    y, carry, reads = core.reads(x, core.initial_carry(1), is_first)
    expected = [[2, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0.5, 0, 6, 0, 0], [0, 0, 0, -2, 0], [0, 0, 0, -1, 4]]
    assert reads["hidden"].contributions[0, ..., 0].tolist() == expected
    assert reads["hidden"].y.flatten().tolist() == y.flatten().tolist() == [2, 1, 6.5, -2, 3]
    sizes, carried = reads["hidden"].magnitudes()
    assert (sizes[0, 4] / sizes[0, 4].sum()).tolist() == [0, 0, 0, 0.2, 0.8] and not carried.any()
    assert carry["hidden"].item() == 1.5


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_carries_are_those_of_a_call(name):
    core, x, carry, is_first = make(name), random_rows(), random_carry(make(name)), flags("random")
    expected, expected_carry = core(x, carry, is_first)
    y, found, reads = core.reads(x, carry, is_first)
    assert torch.equal(y, expected)
    assert all(torch.equal(found[key], value) for key, value in expected_carry.items(True, True))
    kinds = [type(read) for read in reads.values()]
    assert kinds.count(Attention) == ATTENTION.get(name, 0)
    assert kinds.count(LinearRead) == LINEAR.get(name, 0) + (0 if name != "xlstm" else 1)


def seen(is_first):
    """Whether row s is of row t's episode and not behind it, [B, T, T]."""
    episode = is_first.cumsum(1)
    return (episode.unsqueeze(2) == episode.unsqueeze(1)).tril()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*LINEAR, *ATTENTION])
def test_nothing_comes_from_another_episode_or_from_behind(name, kind):
    core, is_first = make(name), flags(kind)
    _, _, reads = core.reads(random_rows(), random_carry(core), is_first)
    is_begun = is_first.cumsum(1) > 0
    for read in reads.values():
        rows, carried = read.magnitudes()
        assert not rows[~seen(is_first)].any()
        assert not carried[is_begun].any() or name == "r2i"  # which begins with a state it has learnt
        assert torch.isfinite(rows).all() and (rows >= 0).all()


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_sums_to_one(name):
    core, is_first = make(name), flags("edges")
    _, _, reads = core.reads(random_rows(), random_carry(core), is_first)
    for read in reads.values():
        total = read.weights.sum(-1) + read.carried
        is_any = torch.ones_like(total, dtype=torch.bool)
        if name == "hcam":  # a row does not see its own token: the first one of an episode sees nothing
            is_any &= ~is_first.unsqueeze(1)
        torch.testing.assert_close(total, is_any.to(total.dtype), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ATTENTION)
def test_what_gets_a_weight_is_what_moves_the_output(name):
    core = make(name, num_layers=1, memory_length=3, top_k=1)
    if name == "hcam":  # the read alone looks back
        with torch.no_grad():
            for parameter in core.layers[0].inner.parameters():
                parameter.zero_()
    x = random_rows()
    carry, is_first = core.initial_carry(len(x)), flags("edges")
    y, _, reads = core.reads(x, carry, is_first)
    (weights,) = (read.weights.amax(1) for read in reads.values() if isinstance(read, Attention))
    for s in range(LENGTH):
        other = x.clone()
        other[:, s] += 1e-4 * torch.randn(
            INPUT_SIZE, dtype=x.dtype
        )  # too little for other chunks to be chosen
        moved = (core(other, carry, is_first)[0] != y).any(-1)
        expected = weights[:, :, s] > 0
        expected[:, s] = True
        assert torch.equal(moved, expected)


def superposed(run, value, is_first, state):
    """What a memory that is linear in `value` [B, T, *] reads of each row alone, [B, T, T, n], and of its state."""
    rows = []
    for s in range(value.shape[1]):
        alone = torch.zeros_like(value)
        alone[:, s] = value[:, s]
        rows.append(run(alone, torch.zeros_like(state)).flatten(2))
    return torch.stack(rows, dim=2), run(torch.zeros_like(value), state).flatten(2)


def check(read, run, value, is_first, state):
    contributions, carried = superposed(run, value, is_first, state)
    torch.testing.assert_close(read.contributions, contributions, atol=1e-10, rtol=0)
    torch.testing.assert_close(read.carried, carried, atol=1e-10, rtol=0)
    torch.testing.assert_close(read.y, run(value, state).flatten(2), atol=1e-10, rtol=0)


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("decay", ["none", "heads", "keys", "values"])
def test_decayed_memories_by_superposition(decay):
    torch.manual_seed(0)
    is_first = flags("random")
    q, k, v = (numbers(3, LENGTH, 2, width) for width in (3, 3, 4))
    shape = {"none": None, "heads": (), "keys": (3,), "values": (4,)}[decay]
    g = None if shape is None else -numbers(3, LENGTH, 2, *shape).abs()
    of_values = decay == "values"
    state = numbers(3, 2, 3, 4)
    read = decayed_read(q, k, v, g, is_first, state, of_values)

    def run(value, before):
        return decayed_memory(q, k, value, g, is_first, before, 0, of_values)[0]

    check(read, run, v, is_first, state)


def test_the_delta_rule_by_superposition():
    torch.manual_seed(0)
    is_first, state = flags("random"), numbers(3, 2, 3, 4)
    q, k, v = (numbers(3, LENGTH, 2, width) for width in (3, 3, 4))
    k = k / k.norm(dim=-1, keepdim=True)
    strength, g = torch.rand(3, LENGTH, 2, dtype=torch.float64), -numbers(3, LENGTH, 2).abs()

    def run(value, before):
        return delta_memory(q, k, value, strength, g, is_first, before)[0]

    check(delta_read(q, k, v, strength, g, is_first, state), run, v, is_first, state)


def test_exponential_gates_by_superposition():
    torch.manual_seed(0)
    is_first = flags("random")
    matrix, normaliser, maximum = numbers(3, 2, 3, 4), numbers(3, 2, 3), numbers(3, 2)
    q, k, v = (numbers(3, LENGTH, 2, width) for width in (3, 3, 4))
    gates = numbers(3, LENGTH, 2), numbers(3, LENGTH, 2)

    def run(value, before):
        return stabilised_memory(q, k, value, *gates, is_first, (before, normaliser, maximum))[0]

    read = stabilised_read(q, k, v, *gates, is_first, (matrix, normaliser, maximum))
    check(read, run, v, is_first, matrix)


@pytest.mark.parametrize("per_row", [False, True])
def test_complex_scans_by_superposition(per_row):
    torch.manual_seed(0)
    is_first, state = flags("random"), torch.randn(3, 4, dtype=torch.complex128)
    a = torch.randn(*((3, LENGTH) if per_row else ()), 4, dtype=torch.complex128) / 2
    b = torch.randn(3, LENGTH, 4, dtype=torch.complex128)

    def run(value, before):
        return torch.view_as_real(linear_scan(a, value, is_first, before)).flatten(2)

    check(scan_read(a, b, is_first, state, None, real_numbers), run, b, is_first, state)


def test_the_saliency_of_what_is_read_is_the_weights():
    """|∂ y(t) / ∂ v(s)| of one number is |W[t, s]|, for a matrix memory and its own gradient."""
    torch.manual_seed(0)
    is_first, state = flags("random"), torch.zeros(3, 1, 3, 1, dtype=torch.float64)
    q, k, v = (numbers(3, LENGTH, 1, width) for width in (3, 3, 1))
    g = -numbers(3, LENGTH, 1).abs()
    weights = decayed_read(q, k, torch.ones_like(v), g, is_first, state).contributions[..., 0]
    v.requires_grad_()
    y = decayed_memory(q, k, v, g, is_first, state)[0]
    for t in range(LENGTH):
        (slope,) = torch.autograd.grad(y[:, t].sum(), v, retain_graph=True)
        torch.testing.assert_close(slope[..., 0, 0].abs(), weights[:, t].abs(), atol=1e-12, rtol=0)


def test_the_slots_of_a_ring():
    """Three slots: at position 4 they hold tokens 3, 4 (its own) and 2; row 0 is the episode's third."""
    weights = torch.tensor([[[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]]])
    found = ring_attention(weights, torch.tensor([[2, 3, 4]]), youngest=0)
    # Position 2: slots hold tokens 0, 1, 2; position 3: 3, 1, 2; position 4: 3, 4, 2. Row 0 stored token 2.
    expected = torch.tensor([[0.7, 0, 0], [0.2, 0.5, 0], [0.2, 0.5, 0.3]])
    torch.testing.assert_close(found.weights[0, 0], expected)
    torch.testing.assert_close(found.carried[0, 0], torch.tensor([0.3, 0.3, 0.0]))
    strict = ring_attention(torch.tensor([[[[0.6, 0.4]]]]), torch.tensor([[2]]), youngest=1)
    assert not strict.weights.any() and strict.carried.item() == 1


def test_a_core_inside_another_is_taken_apart_too():
    core = HCAM(
        INPUT_SIZE,
        8,
        num_chunks=2,
        chunk_length=2,
        top_k=1,
        make_inner=lambda input_size: S5(input_size, 8, 8),
    )
    core = core.double()
    _, _, reads = core.reads(random_rows(), core.initial_carry(3), flags("none"))
    assert list(reads) == ["layer_0/inner/layer_0/state", "layer_0/inner/layer_1/state", "layer_0/tokens"]
