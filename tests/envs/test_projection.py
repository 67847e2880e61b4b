"""Observations and actions behind random linear maps."""

import math

import gymnasium.spaces as gs
import pytest
import torch
from contract import random_action
from native_checks import CHECKS, check_one_step_on_cuda

from engram import envs
from engram.common.random import hash_prefix
from engram.envs import Projected, Projection, RecallFirst, Trials
from engram.envs.popgym.battleship import Battleship
from engram.envs.popgym.cart_pole import PositionOnlyCartPole
from engram.envs.popgym.concentration import Concentration
from engram.envs.popgym.pendulum import PositionOnlyPendulum
from engram.envs.wrappers.projection import orthogonal


def make(inner, trials: int | None = None, **projection):
    def of(num_envs: int, **where):
        env = Projected(inner(num_envs, **where), Projection(**projection))
        return env if trials is None else Trials(env, trials)

    return of


MAKERS = {
    "cart_pole": make(PositionOnlyCartPole, observation=4, action="permuted"),
    "pendulum": make(PositionOnlyPendulum, 2, observation=3, action=3),
    "recall_first": make(RecallFirst, 3, observation=2),
    "concentration": make(Concentration, observation=6),
    "battleship": make(Battleship, action="permuted"),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", MAKERS)
def test_what_holds_for_every_native(name: str, check) -> None:
    check(MAKERS[name])


@pytest.mark.gpu
@pytest.mark.parametrize("name", MAKERS)
def test_one_step_is_the_same_on_cuda(name: str) -> None:
    check_one_step_on_cuda(MAKERS[name])


@pytest.mark.parametrize(("rows", "columns"), [(2, 5), (5, 2), (4, 4), (1, 3), (20, 12)])
def test_matrices_are_orthogonal(rows: int, columns: int) -> None:
    key = hash_prefix(torch.arange(6), 3)
    drawn = orthogonal(key, rows, columns, math.sqrt(2.0)).double()
    gram = drawn @ drawn.mT if rows <= columns else drawn.mT @ drawn
    torch.testing.assert_close(
        gram, 2 * torch.eye(min(rows, columns)).double().expand_as(gram), atol=1e-6, rtol=0
    )
    assert not torch.equal(drawn[0], drawn[1])


def test_a_matrix_is_the_q_of_normal_numbers() -> None:
    """By LAPACK, its signs made those of a positive diagonal."""
    from engram.common.random import normal

    key = hash_prefix(torch.arange(5), 1)
    numbers = normal(torch.arange(8), prefix=key[:, None]).flatten(1)[:, :15].double().view(5, 5, 3)
    q, r = torch.linalg.qr(numbers)
    expected = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
    torch.testing.assert_close(orthogonal(key, 5, 3, 1.0), expected.float(), atol=1e-6, rtol=0)


def test_maps_stay_within_a_trial_and_change_after_it() -> None:
    env = MAKERS["recall_first"](16)
    env.reset(0)
    maps, numbers = [], []
    for _ in range(40):
        assert env.state is not None
        maps.append(env.state["task", "inner_observing"])
        numbers.append(env.state["episode"])
        env.step(torch.zeros(16, dtype=torch.int64))
    for before, after, trial, following in zip(maps, maps[1:], numbers, numbers[1:], strict=False):
        same = (before == after).flatten(1).all(1)
        assert torch.equal(same, trial == following)
    assert numbers[-1].min() >= 1


def test_an_observation_is_its_numbers_times_the_matrix() -> None:
    for inner in (PositionOnlyCartPole(7), Concentration(7)):
        env = Projected(inner, Projection(observation=3))
        row, plain = env.reset(1), inner.reset(1)
        assert env.state is not None and env.single_observation_space.shape == (3,)
        seen = plain["obs"]
        space = inner.single_observation_space
        if isinstance(space, gs.MultiDiscrete):
            parts = [torch.nn.functional.one_hot(seen[:, i], int(n)) for i, n in enumerate(space.nvec)]
            seen = torch.cat(parts, 1).float()
        expected = torch.einsum("bi,bij->bj", seen, env.state["task", "observing"])
        torch.testing.assert_close(row["obs"], expected)


def test_permuted_choices_are_the_same_ones_in_another_order() -> None:
    env = Projected(Battleship(64), Projection(action="permuted"))
    env.reset(0)
    assert env.state is not None
    order, size = env.state["task", "order"], int(env.single_action_space.nvec[0])
    assert torch.equal(order.sort(2).values, torch.arange(size).expand(64, 2, size))
    assert len(order.unique(dim=0)) > 60
    action = random_action(env, torch.Generator().manual_seed(0))
    plain = Battleship(64)
    plain.reset(0)
    row = env.step(action)
    inner = plain.step(torch.stack([order[range(64), part, action[:, part]] for part in (0, 1)], 1))
    assert torch.equal(row["obs"], inner["obs"]) and torch.equal(row["prev_action"], action)


def test_orders_of_parts_of_different_lengths() -> None:
    env = Projected(RecallFirst(32, num_symbols=5), Projection(action="permuted"))
    env.single_action_space = gs.MultiDiscrete([2, 5])
    env._choices, env._most_choices = torch.tensor([2, 5]), 5
    order = env._orders(hash_prefix(torch.arange(32)))
    assert torch.equal(order[:, 0, :2].sort(1).values, torch.tensor([0, 1]).expand(32, 2))
    assert torch.equal(order[:, 1].sort(1).values, torch.arange(5).expand(32, 5))


def test_box_actions_are_mapped_and_brought_between_the_bounds() -> None:
    inner = PositionOnlyPendulum(9)
    env = Projected(PositionOnlyPendulum(9), Projection(action=3))
    env.reset(0), inner.reset(0)
    assert env.state is not None and env.single_action_space == gs.Box(-1.0, 1.0, (3,))
    action = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)) * 3
    row = env.step(action)
    mapped = torch.einsum("bi,bij->bj", action, env.state["task", "acting"])
    torch.testing.assert_close(row["obs"], inner.step(mapped)["obs"])
    assert torch.equal(row["prev_action"], action)


@pytest.mark.parametrize(
    ("task", "projection", "said"),
    [
        ("diagnostic/recall_first", {"action": 2}, "action of projection must be permuted"),
        (
            "popgym/position_only_pendulum",
            {"action": "permuted"},
            "action of projection must be a whole number",
        ),
        ("memory_maze/tiny", {"observation": 4}, "observation of projection must be null"),
        ("popgym/repeat_first", {"observation": 0}, "observation of projection must be a whole number"),
    ],
)
def test_what_cannot_be_projected(task: str, projection: dict, said: str) -> None:
    kwargs = {"num_layouts": 2} if "maze" in task else {}
    with pytest.raises(ValueError, match=rf"{said}.+, but got .+; (set|change) env\.projection\."):
        envs.make_env(task, 1, kwargs, projection=projection)
