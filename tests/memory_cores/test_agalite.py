"""AGaLiTe's attention: published rows, its frequencies, and its initial time scales."""

import pytest
import torch
from core_cases import BATCH, flags, make, random_rows
from golden_cases import assert_golden, load_golden, weights_of

from engram.memory_cores import ScanCore
from engram.memory_cores.cores import approximate_attention
from engram.memory_cores.cores.approximate_attention import ApproximateAttention


class Alone(ScanCore):
    """The attention of a layer as a core."""

    def __init__(self, attention, size):
        super().__init__(size, size)
        self.attention = attention

    def carry_spec(self):
        return self.attention.carry_spec()

    def equations(self, x, memory):
        return self.attention(x, memory)


def test_attention_is_the_published_one():
    """Four frequencies were published, two of which are the others' negatives: their traces are the same."""
    golden = load_golden("agalite")
    core = Alone(ApproximateAttention(4, num_heads=2, head_size=3, eta=2, r=4), 4).double()
    weights = weights_of(golden)
    names = {"project": ("W", "b"), "widen": ("W_p", "b_p"), "output": ("W_o", "b_o")}
    core.attention.load_state_dict(
        {
            f"{ours}.{part}": weights[name]
            for ours, theirs in names.items()
            for part, name in zip(("weight", "bias"), theirs, strict=True)
        }
    )

    def carry_of(published):
        for key in "kv":
            torch.testing.assert_close(published[key], published[key].flip(1))
        count = (published["tick"] - 1).long()
        return {
            "keys": published["k"][:, :2],
            "values": published["v"][:, :2],
            "sum": published["s"],
            "count": count,
        }

    assert_golden(core, golden, carry_of)


@pytest.mark.parametrize(("r", "expected"), [(1, [1.0]), (2, [1.0]), (3, [1.0, 0.0]), (5, [1.0, 0.5, 0.0])])
def test_frequencies_are_those_that_differ(r, expected):
    attention = ApproximateAttention(4, num_heads=2, head_size=3, eta=2, r=r)
    assert attention.frequencies == pytest.approx([torch.pi * part for part in expected])
    assert sum(attention.counts) == r


def test_two_frequencies_are_one(monkeypatch):
    monkeypatch.setattr(approximate_attention, "EPSILON", 1e-20)  # the only difference
    outputs = []
    for r in (1, 2):
        core = make("agalite", r=r)
        outputs.append(core(random_rows(), core.initial_carry(BATCH), flags("random"))[0])
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("init", ["chrono", "published"])
def test_traces_fade_slowly_or_as_published(init):
    core = make("agalite", head_size=400, init=init, max_time_scale=100)
    gates = core.layers[0].attention.project.bias.view(2, 5, 400)[:, 3:].sigmoid()
    rows = 1 / gates
    expected = (2.0, 100.0) if init == "chrono" else (2.0, 2.0)
    assert rows.min().item() == pytest.approx(expected[0], rel=0.05)
    assert rows.max().item() == pytest.approx(expected[1], rel=0.05)
    assert torch.count_nonzero(core.layers[0].attention.project.bias.view(2, 5, 400)[:, :3]) == 0
