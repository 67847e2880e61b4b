"""The diagnostic tasks: by hand, at their best, by chance, and over very long episodes."""

import itertools
from functools import partial

import gymnasium
import pytest
import torch
from contract import check_worth_chance, play
from gymnasium.utils.env_checker import check_env
from native_checks import native_tests
from tensordict import TensorDict

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
TASKS = {
    "memory_len": partial(MemoryChain, length=6),
    "memory_size": partial(MemoryChain, length=2, num_bits=5),
    "memory_at_once": partial(MemoryChain, length=1, num_bits=3),
    "discounting_chain": partial(DiscountingChain, mapping_seed=7),
    "t_maze_passive": partial(TMaze, corridor_length=5),
    "t_maze_active": partial(TMaze, corridor_length=5, oracle_length=1),
    "t_maze_far": partial(TMaze, corridor_length=1, oracle_length=3),
    "copy": CopySequence,
    "copy_at_once": partial(CopySequence, num_items=8, delay=0, num_symbols=3),
    "parity": Parity,
    "parity_last": partial(Parity, length=5, asked="last"),
    "swaps": Permutations,
    "generators": partial(Permutations, tokens="generators", length=9),
    "all_last": partial(Permutations, tokens="all", length=6, asked="last"),
    "recall_pairs": RecallPairs,
    "recall_all_pairs": partial(RecallPairs, num_pairs=6, num_keys=6, num_values=2),
}
PERMUTATIONS = list(itertools.permutations(range(5)))
TOKENS = {
    10: [g for g in PERMUTATIONS if sum(i == g[i] for i in range(5)) == 3],
    2: [(1, 2, 3, 4, 0), (1, 2, 3, 0, 4)],
    120: PERMUTATIONS,
}


class BestPlayer:
    """Knows the rules and remembers the rows of its episode; an answer in 0..1 is a bit, a symbol, a turn."""

    def __init__(self, env: NativeVectorEnv) -> None:
        self.env = env
        self.rows: list[torch.Tensor] = []

    def act(self, obs: torch.Tensor) -> torch.Tensor:
        self.rows.append(obs)
        env, time = self.env, len(self.rows) - 1
        if isinstance(env, MemoryChain):
            return (self.rows[0].gather(1, 2 + obs[:, 1:2].long()).squeeze(1) > 0).long()
        if isinstance(env, CopySequence):
            return self.rows[max(time - env.recall, 0)] % env.num_symbols
        if isinstance(env, Parity):
            return sum(self.rows) % 2
        if isinstance(env, Permutations):
            moves = torch.tensor(TOKENS[int(env.single_observation_space.n) - 1])
            place = torch.zeros(env.num_envs, dtype=torch.int64)
            for token in self.rows:
                place = moves[token, place]
            return place
        if isinstance(env, RecallPairs):
            pairs = torch.stack(self.rows, 1)
            return (pairs[:, :, 1] * (pairs[:, :, 0] == obs[:, :1]))[:, : env.num_pairs].sum(
                1
            ) % env.num_values
        if isinstance(env, DiscountingChain):
            return env._rewards.argmax().expand(env.num_envs)
        if time < env.oracle_length:
            return torch.full((env.num_envs,), LEFT)
        if time < env.length - 1:
            return torch.full((env.num_envs,), RIGHT)
        return torch.where(self.rows[env.oracle_length][:, 1] > 0, UP, DOWN)


def play_best(env: NativeVectorEnv, row: TensorDict) -> torch.Tensor:
    """Play the episode that begins with this row; return what each environment got."""
    player, total = BestPlayer(env), torch.zeros(env.num_envs, dtype=torch.float64)
    while not row["is_last"].any():
        row = env.step(player.act(row["obs"]))
        total += row["reward"]
    assert row["is_last"].all() and row["is_terminal"].all()
    return total


@pytest.mark.parametrize("name", TASKS)
def test_best_play_gets_the_best_return_in_every_episode(name: str) -> None:
    env = TASKS[name](64)
    row = env.reset(3)
    for _ in range(3):
        torch.testing.assert_close(play_best(env, row), torch.full((64,), env.best_return).double())
        row = env.step(torch.zeros(64, dtype=torch.int64))
        assert row["is_first"].all()


@pytest.mark.parametrize("name", [name for name in TASKS if not name.startswith("t_maze")])
def test_random_play_is_worth_chance(name: str) -> None:
    env = TASKS[name](4000)
    env.reset(0)
    check_worth_chance(env)


@pytest.mark.parametrize("oracle_length", [0, 1])
def test_walking_on_and_turning_at_random_is_worth_a_half(oracle_length: int) -> None:
    env = TMaze(4000, corridor_length=3, oracle_length=oracle_length)
    row, total = env.reset(0), torch.zeros(4000)
    while not row["is_last"].any():
        # At the junction it turns, once: on a candidate a further turn to the same side does nothing.
        row = env.step(torch.where(row["obs"][:, 0] > 0, 1 + torch.arange(4000) % 2 * 2, RIGHT))
        total += row["reward"]
    assert set(total.tolist()) == {0.0, 1.0} and abs(total.mean() - 0.5) < 0.04


@pytest.mark.parametrize("name", TASKS)
def test_rows_keep_the_contract(name: str) -> None:
    play(TASKS[name](5), 1, 120)


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(TASKS)


LONG = {
    "memory_chain": (partial(MemoryChain, length=100_000), 100_001),
    "discounting_chain": (partial(DiscountingChain, mapping_seed=4, scale=1000), 100_000),
    "t_maze": (partial(TMaze, corridor_length=100_000, oracle_length=1), 100_003),
    "copy_sequence": (partial(CopySequence, num_items=50_000, delay=0), 100_000),
}


@pytest.mark.parametrize("name", LONG)
def test_an_episode_of_100_000_steps_ends_as_it_should(name: str) -> None:
    """The middle is jumped over, since a state says all."""
    make, length = LONG[name]
    env = make(3)
    rows, player = [env.reset(0)], BestPlayer(env)
    for _ in range(3):
        rows.append(env.step(player.act(rows[-1]["obs"])))
    middle = length - 6
    env.state["time"].fill_(middle)
    if name == "t_maze":
        env.state["task", "x"].fill_(middle - 1)
    total = torch.zeros(3)
    for time in range(middle, length):
        assert not rows[-1]["is_last"].any()
        if name == "copy_sequence":
            asked = env.observe(dict(env.state["task"].items()), env.state["time"] - env.recall)
            assert env.observe(dict(env.state["task"].items()), torch.zeros(3).long()).equal(rows[0]["obs"])
            action = asked
        else:
            player.rows = [row["obs"] for row in rows[:2]] + [rows[-1]["obs"]] * (time - 2)
            action = player.act(rows[-1]["obs"])
        rows.append(env.step(action))
        total += rows[-1]["reward"]
    assert rows[-1]["is_terminal"].all()
    torch.testing.assert_close(
        total, torch.full((3,), 6 / 50_000 if name == "copy_sequence" else env.best_return)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_whole_episode_of_100_000_steps(name: str) -> None:
    make, length = LONG[name]
    env = make(2)
    total = play_best(env, env.reset(0))
    assert env._row is not None and (env.state["time"] == length).all()
    torch.testing.assert_close(total, torch.full((2,), env.best_return).double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            partial(MemoryChain, length=0),
            "length of MemoryChain must be a whole number of at least 1, but got 0",
        ),
        (
            partial(DiscountingChain, scale=0),
            "scale of DiscountingChain must be a whole number of at least 1, but got 0",
        ),
        (
            partial(TMaze, penalty=0.1),
            r"penalty of TMaze must be a number of at most 0, or null, but got 0\.1",
        ),
        (
            partial(Parity, asked="first"),
            "asked of Parity must be one of every, last, but got 'first'",
        ),
        (
            partial(Permutations, tokens="cycles"),
            "tokens of Permutations must be one of swaps, generators, all, but got 'cycles'",
        ),
        (
            partial(RecallPairs, num_pairs=5, num_keys=4),
            "num_keys must be at least num_pairs=5, but got 4; set num_keys=5 or more",
        ),
        (
            partial(CopySequence, num_symbols=1),
            "num_symbols of CopySequence must be a whole number of at least 2, but got 1",
        ),
    ],
)
def test_wrong_options_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(2)


@pytest.mark.parametrize(
    "id", ["CopySequence", "DiscountingChain", "MemoryChain", "Permutations", "RecallPairs", "TMaze"]
)
def test_registered_with_gymnasium(id: str) -> None:
    env = gymnasium.make(f"engram.envs:engram/{id}-v0")
    check_env(env.unwrapped, skip_render_check=True)
    vector = gymnasium.make_vec(f"engram/{id}-v0", num_envs=3, vectorization_mode="vector_entry_point")
    obs, _ = vector.reset(seed=1)
    for _ in range(25):
        assert vector.observation_space.contains(obs)
        obs, *_ = vector.step(vector.action_space.sample())
