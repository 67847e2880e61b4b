import functools

import pytest
import torch

from engram.envs import Bandit
from engram.envs.diagnostic.bandit_optimum import optimal_return


@pytest.mark.parametrize(
    ("num_arms", "num_pulls", "expected"),
    [
        (1, 10, 5.0),
        (2, 2, 1.083333333),
        (2, 3, 1.666666667),
        (2, 5, 2.888888889),
        (2, 10, 6.021785714),
        (2, 20, 12.431264906),
        (3, 10, 6.409642857),
        (5, 5, 3.052083333),
        (5, 10, 6.659987875),
        (10, 10, 6.713951191),
    ],
)
def test_the_optimum(num_arms: int, num_pulls: int, expected: float) -> None:
    assert optimal_return(num_arms, num_pulls) == pytest.approx(expected, abs=5e-10)
    assert Bandit(1, num_arms, num_pulls).best_return == optimal_return(num_arms, num_pulls)


def test_what_takes_long_has_none() -> None:
    assert optimal_return(5, 100) is None and Bandit(1, 5, 100).best_return is None


@functools.cache
def values(counts: tuple[tuple[int, int], ...], left: int) -> tuple[float, ...]:
    """What each arm is worth to a perfect player, arm by arm, another way than the environment reckons it."""
    if left == 0:
        return (0.0,) * len(counts)
    found = []
    for arm, (wins, losses) in enumerate(counts):
        chance = (wins + 1) / (wins + losses + 2)
        paid, unpaid = ((*counts[:arm], (wins + one, losses + 1 - one), *counts[arm + 1 :]) for one in (1, 0))
        found.append(
            chance * (1 + max(values(paid, left - 1))) + (1 - chance) * max(values(unpaid, left - 1))
        )
    return tuple(found)


def play_perfectly(env: Bandit, pulls: int) -> torch.Tensor:
    """The sum of rewards [B] of a player who knows nothing but what came."""
    row = env.reset(3)
    counts = [((0, 0),) * env.num_arms] * env.num_envs
    total = torch.zeros(env.num_envs)
    for pull in range(pulls):
        worth = [values(own, pulls - pull) for own in counts]
        action = torch.tensor([own.index(max(own)) for own in worth])
        row = env.step(action)
        total += row["reward"]
        for index, (arm, paid) in enumerate(zip(action.tolist(), row["reward"].tolist(), strict=True)):
            wins, losses = counts[index][arm]
            after = (wins + int(paid), losses + 1 - int(paid))
            counts[index] = (*counts[index][:arm], after, *counts[index][arm + 1 :])
    assert row["is_terminal"].all()
    return total


def test_a_perfect_player_reaches_the_optimum() -> None:
    total = play_perfectly(Bandit(4096, num_arms=2, num_pulls=6), 6)
    best = optimal_return(2, 6)
    assert best is not None and abs(total.mean() - best) < 3 * total.std() / 64


def test_chance_is_half_of_the_pulls_and_each_pull_shows_whether_it_paid() -> None:
    env = Bandit(2048, num_arms=3, num_pulls=8)
    generator = torch.Generator().manual_seed(0)
    row, total = env.reset(0), torch.zeros(2048)
    assert not row["obs"].any()
    for _ in range(8):
        row = env.step(torch.randint(3, (2048,), generator=generator))
        assert torch.equal(row["obs"], row["reward"].long())
        total += row["reward"]
    assert row["is_terminal"].all() and env.chance_return == 4.0
    assert abs(total.mean() - 4.0) < 4 * total.std() / 2048**0.5


def test_an_arm_pays_as_often_as_it_says() -> None:
    env = Bandit(64, num_arms=2, num_pulls=400)
    env.reset(1)
    assert env.state is not None
    arms = env.state["task", "arms"]
    paid = torch.stack([env.step(torch.ones(64, dtype=torch.int64))["reward"] for _ in range(400)]).mean(0)
    assert (paid - arms[:, 1]).abs().max() < 0.12
