"""Aaren: published rows, attention to the whole episode at once, and running maxima."""

import pytest
import torch
from core_cases import BATCH, KINDS, LENGTH, flags, random_rows
from golden_cases import assert_golden, load_golden

from engram.memory_cores import Aaren, ScanCore
from engram.memory_cores.cores.aaren import QueryAttention
from engram.memory_cores.scan.maximum import running_maximum, running_maximum_reference


class Alone(ScanCore):
    """The attention of a layer as a core."""

    def __init__(self, attention, size):
        super().__init__(size, size)
        self.attention = attention

    def carry_spec(self):
        return self.attention.carry_spec()

    def equations(self, x, memory):
        return self.attention(x, memory)


def test_aaren_is_the_published_one():
    golden = load_golden("aaren")
    core = Alone(QueryAttention(4, num_heads=2, head_size=4), 4).double()
    names = {"query": "q", "key.weight": "W_k", "value.weight": "W_v", "output.weight": "W_o"}
    core.attention.load_state_dict({ours: golden[f"w.{theirs}"] for ours, theirs in names.items()})

    def carry_of(published):
        # A carry has to be finite: where nothing is counted yet, its maximum does not count either.
        maximum = torch.where(published["u"] == 0, 0.0, published["m"])
        return {"maximum": maximum, "count": published["u"], "values": published["w"]}

    assert_golden(core, golden, carry_of)


def test_a_read_is_softmax_attention_to_the_episode():
    torch.manual_seed(0)
    attention = QueryAttention(5, num_heads=2, head_size=3).double()
    x, core = random_rows(), Alone(attention, 5)
    y, _ = core(x, core.initial_carry(BATCH), flags("none"))
    key, value = (part(x).unflatten(-1, (2, 3)) for part in (attention.key, attention.value))
    scores = torch.einsum("bthd,hd->bth", key, attention.query) / 3**0.5
    for t in range(LENGTH):
        weights = scores[:, : t + 1].softmax(dim=1)
        read = torch.einsum("bth,bthd->bhd", weights, value[:, : t + 1]).flatten(1)
        torch.testing.assert_close(y[:, t], attention.output(read))


def test_scores_of_any_size_leave_finite_numbers():
    """e^1000 is no number of float32, nor is e^−1000 one that could be divided by."""
    torch.manual_seed(0)
    core = Aaren(5, hidden_size=4, num_layers=1, num_heads=2, head_size=3)
    with torch.no_grad():
        core.layers[0].attention.query.mul_(1e4)
    x = random_rows(torch.float32).requires_grad_()
    y, last = core(x, core.initial_carry(BATCH), flags("random"))
    y.sum().backward()
    assert torch.isfinite(y).all() and torch.isfinite(x.grad).all()
    assert all(torch.isfinite(leaf).all() for leaf in last.values(True, True))


@pytest.mark.parametrize("length", [1, 2, 7, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_running_maxima_are_those_row_by_row(kind, length):
    torch.manual_seed(0)
    scores = torch.randn(BATCH, length, 2, dtype=torch.float64, requires_grad=True)
    before = torch.randn(BATCH, 2, dtype=torch.float64)
    before[0] = -torch.inf
    before.requires_grad_()
    is_first = flags(kind, 32)[:, :length]
    weight = torch.randn(BATCH, length, 2, dtype=torch.float64)
    results = []
    for run in (running_maximum, running_maximum_reference):
        maxima = run(scores, is_first, before)
        results.append((maxima, *torch.autograd.grad((maxima * weight).sum(), (scores, before))))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-14)
