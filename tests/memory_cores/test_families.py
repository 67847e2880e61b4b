"""What a family owns, on cores that no file has: a short convolution, a counter, a loop of several states, a read."""

import pytest
import torch
from core_cases import BATCH, INPUT_SIZE, KINDS, flags, random_carry, random_rows
from test_contract import TIGHT, assert_same_results, results, sequence, split_at, steps
from torch import nn
from torch.nn.functional import silu, softplus

from engram.memory_cores import CacheCore, Layer, LayeredCore, LoopCore, ScanCore
from engram.memory_cores.cache.attention import masked_softmax
from engram.memory_cores.cache.window_attention import WindowAttention
from engram.memory_cores.carry import Leaf
from engram.memory_cores.short_convolution import ShortConvolution

TAPS, WIDTH = 3, 4


class ConvolvedScan(ScanCore):
    """RG-LRU's recurrence: a convolution before it, and an episode's first row written whole."""

    def __init__(self, input_size):
        super().__init__(input_size, WIDTH)
        self.convolution = ShortConvolution(input_size, TAPS, bias=False)
        self.gates = nn.Linear(input_size, 3 * WIDTH)
        self.decay = nn.Parameter(torch.rand(WIDTH))

    def carry_spec(self):
        return {"inputs": self.convolution.leaf, "count": Leaf((), "count"), "hidden": Leaf((WIDTH,))}

    def equations(self, x, memory):
        u = silu(self.convolution(x, memory, "inputs"))
        r, i, value = self.gates(u).chunk(3, dim=-1)
        log_a = -8 * r.sigmoid() * softplus(self.decay)
        is_fresh = memory.position("count").unsqueeze(-1) == 0
        scale = torch.where(is_fresh, 1.0, (-torch.expm1(2 * log_a)).sqrt())
        return memory.scan("hidden", log_a.exp(), scale * i.sigmoid() * value)


class DecayingLayer(Layer):
    """A residual layer of traces that decay."""

    def __init__(self):
        super().__init__()
        self.decay, self.norm = nn.Parameter(torch.rand(WIDTH)), nn.LayerNorm(WIDTH)

    def carry_spec(self):
        return {"trace": Leaf((WIDTH,))}

    def forward(self, u, memory):
        return u + memory.scan("trace", self.decay, self.norm(u)).to(u.dtype)


class Layered(LayeredCore, ScanCore):
    """Two of them, one on the other."""

    def __init__(self, input_size):
        super().__init__(input_size, WIDTH, [DecayingLayer(), DecayingLayer()])


class StabilisedLoop(LoopCore):
    """sLSTM's cell: four states, one of which does not begin with zero here, and two drives."""

    def __init__(self, input_size):
        super().__init__(input_size, WIDTH)
        self.input, self.recurrent = nn.Linear(input_size, 4 * WIDTH), nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.first = nn.Parameter(torch.randn(WIDTH))

    def carry_spec(self):
        plain = Leaf((WIDTH,))
        return {"h": Leaf((WIDTH,), initial=self.first), "c": plain, "n": plain, "m": plain}

    def drive(self, x):
        gates = self.input(x)
        return gates[..., : 2 * WIDTH], gates[..., 2 * WIDTH :]

    def row(self, drive, states):
        i, f, z, o = (torch.cat(drive, dim=-1) + self.recurrent(states["h"])).chunk(4, dim=-1)
        log_f = nn.functional.logsigmoid(f) + states["m"]
        m = torch.maximum(log_f, i)
        keep, write = (log_f - m).exp(), (i - m).exp()
        c, n = keep * states["c"] + write * z.tanh(), keep * states["n"] + write
        h = o.sigmoid() * c / (n.abs() + 1)
        return h, {"h": h, "c": c, "n": n, "m": m}


class HopfieldRead(WindowAttention):
    """Softmax of the alikeness of a row and the last ones, newer ones preferred."""

    def __init__(self):
        super().__init__()
        self.query, self.output = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fade = nn.Parameter(torch.rand(()))

    def read(self, query, window, rows_ago, is_valid):
        return masked_softmax(query @ window.mT - self.fade * rows_ago, is_valid) @ window


class Windowed(CacheCore):
    """One layer of that."""

    def __init__(self, input_size):
        super().__init__(input_size, WIDTH)
        self.embed, self.attention = nn.Linear(input_size, WIDTH), HopfieldRead()

    def stores(self):
        return {"tokens": Leaf((TAPS, WIDTH), "stored")}

    def equations(self, x, memory):
        u = self.embed(x)
        return u + memory.attend("tokens", self.attention, u)


@pytest.fixture(params=[ConvolvedScan, Layered, StabilisedLoop, Windowed])
def core(request):
    torch.manual_seed(0)
    return request.param(INPUT_SIZE).double()


@pytest.mark.parametrize("kind", KINDS)
def test_sequence_equals_steps_and_splits(core, kind):
    case = (core, random_rows(), random_carry(core), flags(kind))
    expected = results(*case, sequence)
    assert_same_results(results(*case, steps), expected, **TIGHT)
    assert_same_results(results(*case, split_at(1, 2, 6)), expected, **TIGHT)


@pytest.mark.parametrize("every", [1, 2, 4, 10])
def test_all_carries_are_those_of_the_steps(core, every):
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    _, carries = core(x, carry, is_first, all_carries=every)
    assert carries.batch_size == (BATCH, x.shape[1] // every)
    for t in range(x.shape[1]):
        _, carry = core.step(x[:, t], carry, is_first[:, t])
        if (t + 1) % every == 0:
            torch.testing.assert_close(carries[:, t // every].to_dict(), carry.to_dict(), **TIGHT)


def test_nothing_of_a_poisoned_episode_is_left(core):
    """An episode after a reset equals one from the initial carry, the convolution's and the counter's part too."""
    x, is_first = random_rows(), torch.zeros(BATCH, 9, dtype=torch.bool)
    is_first[:, 4] = True
    fresh, fresh_last = core(x[:, 4:], core.initial_carry(BATCH), is_first[:, :5] & False)
    x[:, :4] = torch.nan
    y, last = core(x, random_carry(core), is_first)
    torch.testing.assert_close(y[:, 4:], fresh, **TIGHT)
    torch.testing.assert_close(last.to_dict(), fresh_last.to_dict(), **TIGHT)


def test_a_window_by_hand():
    """Two rows back at most, and never into the episode before."""
    core = ConvolvedScan(1)
    with torch.no_grad():
        core.convolution.weight.copy_(torch.tensor([[100.0, 10.0, 1.0]]))
    seen = []
    core.gates.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten().tolist()))
    x, is_first = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]), torch.tensor([[True, False, False, True]])
    _, carry = core(x, core.initial_carry(1), is_first)
    assert seen[0] == pytest.approx([silu(torch.tensor(v)).item() for v in (1.0, 12.0, 123.0, 4.0)])
    assert carry["inputs"].flatten().tolist() == [0.0, 4.0] and carry["count"].item() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_puts_out_what_comes_in(dtype):
    torch.manual_seed(0)
    core = ConvolvedScan(INPUT_SIZE).to(dtype)
    x, carry, is_first = random_rows(torch.float32).to(dtype), core.initial_carry(BATCH), flags("random")
    y, last = core(x, carry, is_first)
    stepped, _ = steps(core, x, carry, is_first)
    assert y.dtype == dtype and last["hidden"].dtype == torch.float32 and last["inputs"].dtype == dtype
    torch.testing.assert_close(stepped, y)


def test_an_attention_that_states_no_weights_is_not_taken_apart():
    torch.manual_seed(0)
    core, x, is_first = (
        Windowed(INPUT_SIZE),
        torch.randn(2, 5, INPUT_SIZE),
        torch.zeros(2, 5, dtype=torch.bool),
    )
    y, _, reads = core.reads(x, core.initial_carry(2), is_first)
    assert not reads
    torch.testing.assert_close(y, core(x, core.initial_carry(2), is_first)[0])
