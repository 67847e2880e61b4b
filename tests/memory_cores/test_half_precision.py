"""Half precision: no crash, nothing that is not finite, and a step equals a sequence, for every core."""

import itertools

import pytest
import torch
from core_cases import (
    BATCH,
    INPUT_SIZE,
    NAMES,
    assert_mostly_close,
    flags,
    leaves,
    make,
    random_carry,
    random_rows,
    run_steps,
    weighted_sum,
)
from torch.func import functional_call, vmap

from engram.memory_cores import HCAM, MemoryCore
from engram.memory_cores.loop.stretched_lstm import stretched_lstm
from engram.memory_cores.loop.weights import GateWeights

LENGTH = 24
DTYPES = (torch.float16, torch.bfloat16)
KINDS = ("none", "few", "many")
# Half of the cases show every pair of these; the others are slow.
CASES = [
    pytest.param(DTYPES[i], bool(j), KINDS[k], marks=pytest.mark.slow if (i + j + k) % 2 else ())
    for i, j, k in itertools.product(range(2), range(2), range(3))
]


def resets(kind):
    is_first = flags("random" if kind == "many" else "none", LENGTH)
    if kind == "few":  # so few that the LSTM puts rows in for them
        is_first[0, 7] = is_first[1, 20] = True
    return is_first


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "autocast", "kind"), CASES)
def test_steps_equal_the_sequence(name, dtype, autocast, kind):
    exact = make(name, torch.float32, stop_gradient=True)
    core = make(name, torch.float32, stop_gradient=True).to(torch.float32 if autocast else dtype)
    rows = random_rows(torch.float32, LENGTH)
    x, carry, is_first = rows.to(next(core.parameters()).dtype), core.initial_carry(BATCH), resets(kind)
    form = {key: (leaf.shape, leaf.dtype) for key, leaf in leaves(carry).items()}
    with torch.autocast("cpu", dtype, enabled=autocast):
        y, last = core(x, carry, is_first)
        with torch.no_grad():
            stepped, last_stepped, _ = run_steps(core, x, carry, is_first)
    for end in (last, last_stepped):
        assert form == {key: (leaf.shape, leaf.dtype) for key, leaf in leaves(end).items()}
    assert autocast or y.dtype == stepped.dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps * float(y.detach().abs().max())
    assert (y.float() - stepped.float()).abs().max() <= tolerance
    weighted_sum(y.float(), last).backward()
    for key, parameter in core.named_parameters():
        assert not parameter.requires_grad or torch.isfinite(parameter.grad).all(), key
    if name != "hcam":  # whose choice of chunks a rounding may rightly change
        assert_mostly_close(y, exact(rows, exact.initial_carry(BATCH), is_first)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_hcam_chooses_the_same_chunks_by_rows_and_by_sequences(dtype):
    """960 rows; where the carry and the choice were in half precision, one in 200 read another chunk."""
    torch.manual_seed(0)
    core = HCAM(16, hidden_size=64, num_chunks=8, chunk_length=4, top_k=2).to(dtype)
    x, is_first = torch.randn(8, 120, 16).to(dtype), torch.rand(8, 120) < 0.01
    with torch.no_grad():
        y, _ = core(x, core.initial_carry(8), is_first)
        stepped, _, _ = run_steps(core, x, core.initial_carry(8), is_first)
    assert float((y.float() - stepped.float()).abs().max()) <= 2 * torch.finfo(dtype).eps * float(
        y.abs().max()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_inputs_stay_finite(name, dtype):
    core = make(name, dtype, stop_gradient=True)
    x = 300 * random_rows(torch.float32, LENGTH)
    y, last = core(x.to(dtype), core.initial_carry(BATCH), resets("few"))
    assert torch.isfinite(y).all()
    assert all(
        torch.isfinite(torch.view_as_real(leaf) if leaf.is_complex() else leaf).all()
        for leaf in last.values(True, True)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_put_in_at_resets_fit_half_precision(dtype):
    torch.manual_seed(0)
    shapes = [(2, 6, 3), (2, 4), (2, 4), (16, 3), (16, 4), (16,), (16,)]
    x, hidden, cell, *parts = (torch.randn(shape).to(dtype) for shape in shapes)
    weights = GateWeights(*parts)
    later_resets = torch.zeros(2, 6, dtype=torch.bool)
    later_resets[0, 3] = True
    hiddens, last = stretched_lstm(x, later_resets, hidden, cell, weights)
    fresh, fresh_last = stretched_lstm(
        x[:1, 3:], later_resets[:1, :3], torch.zeros_like(hidden[:1]), torch.zeros_like(cell[:1]), weights
    )
    close = {"rtol": 4 * torch.finfo(dtype).eps, "atol": torch.finfo(dtype).eps}
    torch.testing.assert_close(hiddens[:1, 3:], fresh, **close)
    torch.testing.assert_close(last[:1], fresh_last, **close)


class Step(torch.nn.Module):
    """A core's step as a module's forward, as `functional_call` needs it."""

    def __init__(self, core: MemoryCore) -> None:
        super().__init__()
        self.core = core

    def forward(self, *row):
        return self.core.step(*row)[0]


@pytest.mark.parametrize("name", NAMES)
def test_steps_under_vmap(name):
    """Over parameters and over rows."""
    core, other = make(name), make(name, seed=3)
    x, carry, is_first = random_rows()[:, 0], random_carry(core), flags("random")[:, 2]
    pairs = zip(core.named_parameters(prefix="core"), other.parameters(), strict=True)
    many = {key: torch.stack([one.detach(), two.detach()]) for (key, one), two in pairs}
    step = Step(core)
    y = vmap(lambda weights: functional_call(step, weights, (x, carry, is_first)))(many)
    torch.testing.assert_close(y, torch.stack([c.step(x, carry, is_first)[0] for c in (core, other)]))
    rows = torch.randn(2, BATCH, INPUT_SIZE, dtype=torch.float64)
    y = vmap(lambda x: core.step(x, carry, is_first)[0])(rows)
    torch.testing.assert_close(y, torch.stack([core.step(x, carry, is_first)[0] for x in rows]))
