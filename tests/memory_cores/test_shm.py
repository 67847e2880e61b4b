"""The stable Hadamard memory: published rows, and random rows of θ that are the same when they are learnt on again."""

import pytest
import torch
from core_cases import INPUT_SIZE, KINDS, flags, make, random_carry, random_rows
from golden_cases import assert_golden, load_golden, weights_of
from test_contract import TIGHT, assert_same_results, results, sequence, split_at, steps

from engram.memory_cores import SHM
from engram.memory_cores.cores import shm as module


def test_shm_is_the_published_one(monkeypatch):
    golden = load_golden("shm")
    core = SHM(4, hidden_size=4, memory_size=5, theta="random", num_thetas=7, norm=False).double()
    weights = weights_of(golden)
    state = {"norm.weight": weights["ln_w"], "norm.bias": weights["ln_b"], "write.weight": weights["W_eta"]}
    state |= {
        "project.weight": torch.cat([weights[f"W_{name}"] for name in "kqvc"]),
        "theta": weights["theta"],
    }
    state |= {"output.weight": weights["W_o"], "output.bias": weights["b_o"], "seed": core.seed}
    core.load_state_dict(state | {"skip.weight": torch.zeros(4, 4)})
    drawn = golden["extra.theta_index"]
    draws = iter([drawn, *drawn.unbind(1)])  # for a sequence, then for its steps
    monkeypatch.setattr(module, "randint", lambda high, seed, position: next(draws))
    counts = iter(
        [torch.tensor([5, 5]), torch.tensor([2, 1]), torch.tensor([0, 0])]
    )  # before, after, initial
    assert_golden(core, golden, lambda published: {"memory": published["M"], "count": next(counts)})


@pytest.mark.parametrize("kind", KINDS)
def test_random_thetas_are_those_of_the_steps_and_of_any_split(kind):
    core = make("shm", theta="random", num_thetas=5)
    case = (core, random_rows(), random_carry(core), flags(kind))
    expected = results(*case, sequence)
    assert_same_results(results(*case, steps), expected, **TIGHT)
    assert_same_results(results(*case, split_at(1, 2, 6)), expected, **TIGHT)


def test_random_thetas_change_from_row_to_row_and_with_the_core():
    core, other = (make("shm", theta="random", num_thetas=100, seed=seed) for seed in (0, 1))
    seen = []
    for one in (core, other):
        position = torch.arange(50)
        seen.append(module.randint(100, one.seed, position))
    assert len(seen[0].unique()) > 30
    assert (seen[0] == seen[1]).sum() < 10
    copy = make("shm", theta="random", num_thetas=100, seed=2)
    copy.load_state_dict(core.state_dict())
    x = random_rows()
    torch.testing.assert_close(
        copy(x, copy.initial_carry(3), flags("none"))[0], core(x, core.initial_carry(3), flags("none"))[0]
    )


def test_alike_rows_do_not_overflow_the_memory():
    torch.manual_seed(0)
    x, is_first = (
        torch.randn(1, 1, INPUT_SIZE).expand(1, 300, INPUT_SIZE),
        torch.zeros(1, 300, dtype=torch.bool),
    )
    for limit, is_finite in ((100.0, True), (None, False)):
        torch.manual_seed(0)
        core = SHM(INPUT_SIZE, hidden_size=4, memory_size=4, memory_limit=limit)
        with torch.no_grad():
            core.theta.fill_(20.0)
            y, last = core(x, core.initial_carry(1), is_first)
        assert bool(torch.isfinite(y).all() & torch.isfinite(last["memory"]).all()) == is_finite
