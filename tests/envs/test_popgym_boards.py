"""The native boards against the package, step by step, and as native environments."""

import gymnasium
import pytest
import torch
from contract import assert_equal, play, random_action
from popgym_board_parity import (
    CLASSES,
    TASKS,
    BanditWithStream,
    compare_episodes,
    make_native,
    make_package,
)

from engram.envs import NativeVectorEnv
from engram.envs.popgym.battleship import Battleship
from engram.envs.popgym.labyrinth import LabyrinthEscape, LabyrinthExplore
from engram.envs.popgym.mine_sweeper import MineSweeper
from engram.envs.popgym.multiarmed_bandit import MultiarmedBandit

pytestmark = pytest.mark.filterwarnings("ignore:Maze environments:DeprecationWarning")

EPISODES = {
    "MultiarmedBandit": 2,
    "Battleship": 6,
    "MineSweeper": 30,
    "LabyrinthEscape": 2,
    "LabyrinthExplore": 1,
}
"""Of each of 8 environments; more than 60,000 steps in all."""


@pytest.mark.parametrize(("name", "difficulty"), TASKS)
def test_equals_the_package_step_by_step(name: str, difficulty: str) -> None:
    envs = [make_package(name, difficulty) for _ in range(8)]
    native = make_native(name, difficulty, 8)
    if name == "MultiarmedBandit":
        native = BanditWithStream(8, **MultiarmedBandit.difficulties[difficulty])
    total = dict.fromkeys(("steps", "terminated", "truncated", "both", "edge"), 0)
    for episode in range(EPISODES[name]):
        for key, count in compare_episodes(name, native, envs, seed=episode).items():
            total[key] += count
    print(name, difficulty, total)
    if name.startswith("Labyrinth"):  # where the package's view is shifted
        assert total["edge"] > 8
    assert total["steps"] > 1500
    if name != "MultiarmedBandit":
        assert total["terminated"] > 0
    if name != "LabyrinthExplore" or difficulty != "easy":
        assert total["truncated"] > 0
    assert (total["both"] > 0) == (name == "Battleship")


@pytest.mark.parametrize(("name", "difficulty"), TASKS)
def test_spaces_are_the_packages(name: str, difficulty: str) -> None:
    native, package = make_native(name, difficulty, 1), make_package(name, difficulty)
    assert native.single_observation_space == package.observation_space
    assert native.single_action_space == package.action_space


@pytest.mark.parametrize(("name", "difficulty"), TASKS)
def test_keeps_the_contract_at_any_batch_size(name: str, difficulty: str) -> None:
    whole, part = make_native(name, difficulty, 7), make_native(name, difficulty, 3, env_index_offset=2)
    rows = play(whole, 5, 250)
    generator = torch.Generator().manual_seed(0)
    assert_equal(rows[0][2:5], part.reset(5))
    for row in rows[1:]:
        assert_equal(row[2:5], part.step(random_action(whole, generator)[2:5]))
    long = name.startswith("Labyrinth") or (name == "MultiarmedBandit" and difficulty != "easy")
    assert long or any(row["is_first"].any() for row in rows[1:])
    hidden = next(iter(whole.state["task"].values()))
    assert len(hidden.unique(dim=0)) > 1


def short(name: str, num_envs: int = 6, **kwargs) -> NativeVectorEnv:
    """An environment whose episodes end within a few steps."""
    options = {
        "MultiarmedBandit": {"num_bandits": 3, "episode_length": 4},
        "Battleship": {"board_size": 2, "ship_sizes": (1, 1)},
        "MineSweeper": {"difficulty": "easy"},
        "LabyrinthEscape": {"maze_dims": (6, 6), "episode_length": 5},
        "LabyrinthExplore": {"maze_dims": (6, 6), "episode_length": 5},
    }[name]
    return CLASSES[name](num_envs, **options, **kwargs)


@pytest.mark.slow  # test_natives.py compiles some steps of every kind
@pytest.mark.parametrize("name", CLASSES)
def test_step_fn_is_pure_and_starting_all_equals_starting_some(name: str, monkeypatch) -> None:
    env = short(name)
    generator = torch.Generator().manual_seed(1)
    state, _ = env.reset_fn(3)
    for _ in range(25):
        before, action = state.clone(), random_action(env, generator)
        following, row = env.step_fn(state, action)
        assert all(torch.equal(value, before[key]) for key, value in state.items(True, True))
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            masked, masked_row = env.step_fn(state, action)
        assert_equal(row, masked_row)
        assert_equal(following, masked)
        state = following
    assert env.state is None and state["episode"].min() > 0


@pytest.mark.slow  # test_natives.py compiles two steps of each
@pytest.mark.parametrize("name", CLASSES)
def test_a_rollout_compiles_without_a_graph_break(name: str) -> None:
    torch.compiler.reset()  # each test is one more version of the same functions, of which few are kept
    env = short(name, 32)
    state, _ = env.reset_fn(3)
    action = random_action(env, torch.Generator().manual_seed(0))

    def steps(state, action):
        rows = []
        for _ in range(6):
            state, row = env.step_fn(state, action)
            rows.append(row)
        return state, rows

    after, rows = torch.compile(steps, fullgraph=True, backend="eager")(state, action)
    expected_after, expected = steps(state, action)
    for row, other in zip(rows, expected, strict=True):
        assert_equal(row, other)
    assert_equal(after, expected_after)
    assert any(row["is_first"].any() for row in rows)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CLASSES)
def test_the_same_on_cuda(name: str) -> None:
    options = {"num_mazes": None} if name.startswith("Labyrinth") else {}
    env, other = short(name, 32), short(name, 32, device="cuda", **options)
    assert_equal(env.reset(1), other.reset(1).cpu())
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        action = random_action(env, generator)
        assert_equal(env.step(action), other.step(action.cuda()).cpu())


@pytest.mark.parametrize("make", [LabyrinthEscape, LabyrinthExplore])
def test_a_pool_of_mazes_is_the_same_under_every_seed(make) -> None:
    env = make(300, num_mazes=5)
    seen = set()
    for seed in (0, 1):
        env.reset(seed)
        seen |= {bytes(grid) for grid in env.state["task"]["grid"].numpy()}
        assert len(seen) == 5
    play(make(4, num_mazes=1, episode_length=8), 0, 20)
    env = make(300)
    env.reset(0)
    assert len({bytes(grid) for grid in env.state["task"]["grid"].numpy()}) == 300


@pytest.mark.gpu
def test_on_a_device_mazes_come_from_a_table(machine) -> None:
    """To carve them takes hundreds of kernels a row."""
    env = LabyrinthEscape(3, device="cuda")
    env.reset(0)
    machine.reset()
    env.step(torch.zeros(3, dtype=torch.int64, device="cuda"))
    assert sum(machine.launches.values()) < 150 and not machine.events
    carving = LabyrinthEscape(3, num_mazes=None, device="cuda")
    carving.reset(0)
    machine.reset()
    carving.step(torch.zeros(3, dtype=torch.int64, device="cuda"))
    assert sum(machine.launches.values()) > 500


def test_a_centered_view_has_the_position_in_its_middle() -> None:
    env, shifted = LabyrinthEscape(200, centered_view=True), LabyrinthEscape(200)
    row, other = env.reset(0), shifted.reset(0)
    assert (row["obs"][:, 4] == 2).all()
    place = env.state["task"]["position"]
    low = (place < env.side) | (place % env.side == 0)
    assert torch.equal((row["obs"] != other["obs"]).any(1), low) and low.any() and not low.all()
    north = place < env.side
    assert (row["obs"][north, :3] == 1).all() and torch.equal(row["obs"][north, 3:9], other["obs"][north, :6])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Battleship(1, board_size=4, ship_sizes=(5,)), "ships that always fit"),
        (lambda: Battleship(1, board_size=2, ship_sizes=(2, 2)), "ships that always fit"),
        (lambda: MineSweeper(1, "extreme"), "one of easy, medium, hard, but got 'extreme'"),
        (lambda: MultiarmedBandit(1, num_bandits=0), "num_bandits of .* at least 1, but got 0"),
        (
            lambda: LabyrinthEscape(1, maze_dims=(10, 14)),
            r"maze_dims of .* must be two equal, even numbers of at least 6, but got \(10, 14\)",
        ),
        (
            lambda: LabyrinthExplore(1, num_mazes=0),
            "num_mazes of LabyrinthExplore must be a whole number of at least 1 or one of auto, or null",
        ),
    ],
)
def test_wrong_options_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_packages_names_are_registered() -> None:
    import popgym  # noqa: F401

    for name, difficulty in TASKS:
        assert f"popgym-{name}{difficulty.capitalize()}-v0" in gymnasium.registry
