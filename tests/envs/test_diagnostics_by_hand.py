"""The diagnostic tasks, followed row by row."""

import itertools

import pytest
import torch
from contract import play

from engram.envs import (
    CopySequence,
    DiscountingChain,
    MemoryChain,
    NativeVectorEnv,
    Parity,
    Permutations,
    RecallPairs,
    TMaze,
)

RIGHT, UP, LEFT, DOWN = range(4)


def check_trajectory(env: NativeVectorEnv, first: list, trajectory: list) -> None:
    """Follow (action, obs, reward) from a state set by hand; the episode ends with the last."""
    assert env.observe(dict(env.state["task"].items()), env.state["time"])[0].tolist() == first
    for step, (action, obs, reward) in enumerate(trajectory):
        row = env.step(torch.tensor([action]))
        assert row["obs"][0].tolist() == pytest.approx(obs) and row["reward"].item() == pytest.approx(reward)
        assert row["is_last"].item() == row["is_terminal"].item() == (step == len(trajectory) - 1)


def test_memory_chain_is_bsuites() -> None:
    env = MemoryChain(1, length=3, num_bits=2)
    env.reset(0)
    env.state["task", "bits"][0] = torch.tensor([1, 0])
    env.state["task", "query"][0] = 1
    # As bsuite 0.3.6 plays it: twice the first observation, and the query on the row of the answer.
    rows = [
        (0, [1.0, 0.0, 1.0, -1.0], 0.0),
        (1, [2 / 3, 0.0, 0.0, 0.0], 0.0),
        (0, [1 / 3, 1.0, 0.0, 0.0], 0.0),
        (0, [0.0, 0.0, 0.0, 0.0], 1.0),
    ]
    check_trajectory(env, [1.0, 0.0, 1.0, -1.0], rows)


def test_bits_and_queries_are_uniform() -> None:
    env = MemoryChain(20_000, length=2, num_bits=4)
    env.reset(0)
    assert (env.state["task", "bits"].double().mean(0) - 0.5).abs().max() < 0.02
    assert (torch.bincount(env.state["task", "query"]) / 20_000 - 0.25).abs().max() < 0.02


@pytest.mark.parametrize("chain, paid", list(enumerate([1, 3, 10, 30, 100])))
def test_discounting_chain_is_bsuites(chain: int, paid: int) -> None:
    env = DiscountingChain(1, mapping_seed=12)
    env.reset(0)
    rows = [
        (chain if time == 1 else 4 - chain, [chain, time / 100], (time == paid) * (1.1 if chain == 2 else 1))
        for time in range(1, 101)
    ]
    check_trajectory(env, [-1, 0], rows)


def test_an_active_t_maze_by_hand() -> None:
    env = TMaze(1, corridor_length=2, oracle_length=1)
    row = env.reset(0)
    goal = env.state["task", "goal"].item()
    assert row["obs"].tolist() == [[0, 0]] and env.length == 5
    turn = UP if goal > 0 else DOWN
    check_trajectory(
        env,
        [0, 0],
        [
            (LEFT, [0, goal], 0),
            (RIGHT, [0, 0], 0),
            (RIGHT, [0, 0], 0),
            (RIGHT, [1, 0], 0),
            (turn, [1, goal], 1),
        ],
    )
    row = env.step(torch.tensor([RIGHT]))
    goal = env.state["task", "goal"].item()
    # Into a wall at the oracle, which shows the goal once; then too late everywhere.
    check_trajectory(
        env,
        [0, 0],
        [
            (LEFT, [0, goal], 0),
            (LEFT, [0, 0], -0.5),
            (UP, [0, 0], -0.5),
            (RIGHT, [0, 0], -0.5),
            (UP, [0, 0], 0),
        ],
    )


def test_walls_of_the_t_maze() -> None:
    env = TMaze(1, corridor_length=1)
    row = env.reset(0)
    assert row["obs"].tolist() == [[0, env.state["task", "goal"].item()]] and env.length == 2
    env = TMaze(1, corridor_length=7)
    env.reset(0)
    places = [
        (UP, 0, 0), (RIGHT, 1, 0), (LEFT, 0, 0), (LEFT, 0, 0), *((RIGHT, x, 0) for x in (1, 2)), (DOWN, 2, 0),
    ]  # fmt: skip
    for action, x, y in places:
        env.step(torch.tensor([action]))
        assert (env.state["task", "x"].item(), env.state["task", "y"].item()) == (x, y)
    env.state["task", "x"].fill_(7), env.state["time"].fill_(0)
    for action, x, y in [(RIGHT, 7, 0), (UP, 7, 1), (UP, 7, 1), (LEFT, 7, 1), (DOWN, 7, 0), (DOWN, 7, -1)]:
        row = env.step(torch.tensor([action]))
        assert (env.state["task", "x"].item(), env.state["task", "y"].item()) == (x, y)
        assert row["obs"].tolist() == [[1, y]]


def test_copying_by_hand() -> None:
    env = CopySequence(1, num_items=2, delay=1, num_symbols=3)
    first = env.reset(0)["obs"].item()
    second = env.step(torch.tensor([2]))["obs"].item()
    env.reset(0)
    wrong = (second + 1) % 3
    for action, obs, reward in [(0, second, 0), (1, 3, 0), (2, 4, 0), (first, 4, 0.5), (wrong, 3, -0.5)]:
        row = env.step(torch.tensor([action]))
        assert (row["obs"].item(), row["reward"].item()) == (obs, reward)
    assert row["is_terminal"].all() and env.step(torch.tensor([0]))["is_first"].all()


def test_symbols_are_uniform_and_independent() -> None:
    rows = play(CopySequence(20_000, num_items=3, delay=0, num_symbols=5), 0, 7)
    assert rows[7]["is_first"].all()
    symbols = torch.stack([rows[index]["obs"] for index in (0, 1, 2, 7)])
    counts = torch.stack([torch.bincount(symbol, minlength=5) for symbol in symbols])
    assert ((counts - 4000) ** 2 / 4000).sum(1).max() < 24  # 4 degrees of freedom, p = 0.0001
    assert (torch.corrcoef(symbols.double()) - torch.eye(4)).abs().max() < 0.03


def test_parity_by_hand() -> None:
    env = Parity(1, length=4)
    bits = [env.reset(0)["obs"].item(), *(env.step(torch.tensor([0]))["obs"].item() for _ in range(4))]
    assert bits == [0, 1, 1, 1, 2]  # what seed 0 shows; then the blank
    env.reset(0)
    rows = [(0, 1, 0.25), (1, 1, 0.25), (0, 1, 0.25), (0, 2, -0.25)]
    check_trajectory(env, 0, rows)
    last = Parity(1, length=4, asked="last")
    last.reset(0)
    check_trajectory(last, 0, [(1, 1, 0), (0, 1, 0), (1, 1, 0), (1, 2, 1)])


def walk(env: Permutations, tokens: list[int], place: int = 0) -> list[int]:
    """Where something lies after every token."""
    return [place := int(env.transitions[token, place]) for token in tokens]


def test_tokens_of_permutations() -> None:
    # The automaton that the generators are taken from.
    assert walk(Permutations(1, tokens="generators"), [0, 1, 1, 0, 1]) == [1, 2, 3, 4, 4]
    # (1,2,3,4,0), (1,0,2,3,4) and the first again: products from the left are numbers 33, 9 and 40 in the order of
    # itertools, those from the right would be 33, 57 and 40.
    every = Permutations(1, tokens="all")
    places = [walk(every, [33, 24, 33], place) for place in range(5)]
    order = list(itertools.permutations(range(5)))
    assert [order.index(images) for images in zip(*places, strict=True)] == [33, 9, 40]
    swaps = Permutations(1).transitions.tolist()
    pairs = [tuple(i for i in range(5) if images[i] != i) for images in swaps]
    assert sorted(pairs) == list(itertools.combinations(range(5), 2))
    assert all(images[i] == j and images[j] == i for images, (i, j) in zip(swaps, pairs, strict=True))


def test_permutations_by_hand() -> None:
    env = Permutations(1, tokens="generators", length=5)
    env.reset(0)
    # Seed 0 shows 0 1 1 1 1: into the cycle of five, then round in the cycle of the first four.
    check_trajectory(env, 0, [(1, 1, 0.2), (2, 1, 0.2), (3, 1, 0.2), (4, 1, -0.2), (1, 2, 0.2)])


def test_recalling_pairs_by_hand() -> None:
    env = RecallPairs(1, num_pairs=3, num_keys=8, num_values=5)
    env.reset(0)
    task = env.state["task"]
    task["keys"][0, :3] = torch.tensor([6, 2, 7])
    task["values"][0] = torch.tensor([4, 0, 4])
    task["queries"][0] = torch.tensor([1, 2, 0])
    rows = [
        (3, [2, 0], 0),
        (3, [7, 4], 0),
        (3, [2, 5], 0),
        (0, [7, 5], 1 / 3),
        (0, [6, 5], -1 / 3),
        (4, [8, 5], 1 / 3),
    ]
    check_trajectory(env, [6, 4], rows)


def test_pairs_are_uniform_and_their_keys_differ() -> None:
    env = RecallPairs(20_000, num_pairs=3, num_keys=6, num_values=4)
    env.reset(0)
    keys, values, queries = (env.state["task", name] for name in ("keys", "values", "queries"))
    assert keys.shape == (20_000, 3) and all((keys.sort(1).values.diff(dim=1) > 0).all(1))
    codes = {
        "keys": (keys @ torch.tensor([36, 6, 1]), 120),
        "values": (values @ torch.tensor([16, 4, 1]), 64),
        "queries": (queries @ torch.tensor([9, 3, 1]), 6),
    }
    for code, kinds in codes.values():
        counts = torch.bincount(code)
        expected = 20_000 / kinds
        assert (counts > 0).sum() == kinds
        deviation = ((counts[counts > 0] - expected) ** 2 / expected).sum()
        assert deviation < kinds - 1 + 4 * (2 * (kinds - 1)) ** 0.5  # four standard deviations


def test_permutations_are_uniform_and_independent() -> None:
    rows = play(Permutations(20_000, tokens="all", length=2), 0, 3)
    tokens = torch.stack([rows[index]["obs"] for index in (0, 1, 3)])
    counts = torch.stack([torch.bincount(token, minlength=120) for token in tokens]).double()
    assert ((counts - 20_000 / 120) ** 2 / (20_000 / 120)).sum(1).max() < 119 + 4 * (2 * 119) ** 0.5
    assert (torch.corrcoef(tokens.double()) - torch.eye(3)).abs().max() < 0.03
