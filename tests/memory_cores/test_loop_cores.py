"""Cores of the loop family against published numbers and plain references of their equations."""

import pytest
import torch
from golden_cases import TIGHT
from torch import nn

from engram.memory_cores import Elman, loop_core

BATCH, LENGTH, INPUT, HIDDEN = 2, 9, 4, 6


def rows():
    torch.manual_seed(0)
    x, is_first = torch.randn(BATCH, LENGTH, INPUT, dtype=torch.float64), torch.rand(BATCH, LENGTH) < 0.3
    is_first[0, 0] = True
    return x, is_first


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_an_elman_is_torchs_episode_by_episode(nonlinearity):
    """Parameters are those of `torch.nn.RNN`, which knows no resets."""
    x, is_first = rows()
    peer = nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity, batch_first=True).double()
    core = Elman(INPUT, HIDDEN, nonlinearity).double()
    core.load_state_dict(peer.state_dict())
    hidden = torch.randn(BATCH, HIDDEN, dtype=torch.float64)
    y, _ = core(x, core.initial_carry(BATCH).set("hidden", hidden), is_first)
    for b in range(BATCH):
        state = hidden[b : b + 1]
        for t in range(LENGTH):
            state = torch.zeros_like(state) if is_first[b, t] else state
            expected, last = peer(x[b : b + 1, t : t + 1], state.unsqueeze(0))
            state = last[0]
            torch.testing.assert_close(y[b, t], expected[0, 0], **TIGHT)


@pytest.mark.parametrize("init", ["orthogonal", "identity"])
def test_an_elman_begins_as_a_memory(init):
    recurrent = Elman(INPUT, HIDDEN, init=init).weight_hh_l0
    torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(HIDDEN), rtol=0, atol=1e-5)
    assert torch.equal(recurrent, torch.eye(HIDDEN)) == (init == "identity")


def test_rows_without_a_reset_select_nothing(monkeypatch):
    """Where the flags are in host memory, only rows that begin an episode somewhere pay for a selection."""
    seen, core = [], Elman(INPUT, HIDDEN)
    monkeypatch.setattr(loop_core, "select_initial", lambda first, *rest: seen.append(first) or rest[1])
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[1, 3] = is_first[0, 7] = True
    core(torch.randn(BATCH, LENGTH, INPUT), core.initial_carry(BATCH), is_first)
    assert [first.tolist() for first in seen] == [[False, True], [True, False]]
