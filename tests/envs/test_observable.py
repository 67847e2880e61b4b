"""Observable twins: the same task, and beside each observation what a memory would have to hold."""

import pytest
import torch
from contract import play, random_action
from native_checks import check_one_step_on_cuda, check_pure, check_resume, check_the_same_at_any_batch_size

from engram import envs
from engram.envs import Observable, Trials

FAMILIES = [name for name, task in envs.TASKS.items() if name.startswith("popgym/") and task.general is None]
NAMES = [
    *FAMILIES,
    *("diagnostic/bandit", "diagnostic/recall_first", "minigrid/memory_s7", "minigrid/red_blue_doors_6x6"),
    *("ballet/2_delay16", "tvt/key_to_door", "tvt/visual_match"),
    *("memory_gym/mortar_mayhem_grid_3", "memory_gym/mystery_path_grid", "memory_gym/endless_mortar_mayhem"),
]


def make(name: str):
    kwargs = {"num_mazes": None} if "labyrinth" in name else {}  # a device would draw from a table of them

    def of(num_envs: int, **where):
        return envs.make_env(name, num_envs, kwargs, observable=True, **where)

    return of


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_task_with_more_to_see(name: str) -> None:
    plain, twin = envs.make_env(name, 4), make(name)(4)
    assert isinstance(twin, Observable)
    generator = torch.Generator().manual_seed(0)
    row, other = plain.reset(3), twin.reset(3)
    for _ in range(60):
        seen = other["obs", "obs"]
        assert (row["obs"] == seen).all()
        for key in ("reward", "prev_action", "is_first", "is_last", "is_terminal"):
            assert torch.equal(row[key], other[key]), key
        action = random_action(plain, generator)
        row, other = plain.step(action), twin.step(action)


@pytest.mark.parametrize("name", NAMES)
def test_rows_fit_the_spaces(name: str) -> None:
    play(make(name)(3), 2, 120)


@pytest.mark.parametrize("check", [check_pure, check_resume, check_the_same_at_any_batch_size])
@pytest.mark.parametrize("name", ["popgym/concentration", "popgym/noisy_position_only_pendulum"])
def test_what_holds_for_every_native(name: str, check) -> None:
    check(make(name))


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_the_same_on_cuda(name: str) -> None:
    check_one_step_on_cuda(make(name))


def hidden(name: str, steps: int, action=None, **kwargs):
    """What is hidden on every row of one environment, and the rows."""
    env = envs.make_env(name, 1, kwargs or None, observable=True)
    generator = torch.Generator().manual_seed(1)
    rows = [env.reset(5)]
    for step in range(steps):
        given = random_action(env, generator) if action is None else action(rows, step)
        rows.append(env.step(given))
    return rows


def test_autoencode_shows_the_suit_that_is_asked_for() -> None:
    """Who names it is always right."""
    rows = hidden("popgym/autoencode_easy", 103, lambda rows, step: rows[-1]["obs", "hidden", "asked"])
    assert sum(row["reward"].item() for row in rows) == pytest.approx(1.0) and rows[-1]["is_terminal"].all()


def test_count_recall_shows_the_counts() -> None:
    def count(rows, step):
        asked = rows[-1]["obs", "obs"][:, 1:]
        return rows[-1]["obs", "hidden", "counts"].gather(1, asked).squeeze(1)

    rows = hidden("popgym/count_recall_medium", 103, count)
    assert sum(row["reward"].item() for row in rows) == pytest.approx(1.0) and rows[-1]["is_terminal"].all()


def test_higher_lower_shows_what_is_left() -> None:
    rows = hidden("popgym/higher_lower_easy", 51)
    left = torch.full((13,), 4)
    for row in rows:
        left[row["obs", "obs"]] -= 1
        assert torch.equal(row["obs", "hidden", "left"][0], left)


def test_boards_show_what_was_found() -> None:
    board = torch.zeros(8, 8, dtype=torch.int64)
    rows = hidden("popgym/battleship_easy", 30)
    for row in rows[1:]:
        place = tuple(row["prev_action"][0].tolist())
        if board[place] == 0:
            board[place] = 1 + row["obs", "obs"]
        assert torch.equal(row["obs", "hidden", "board"][0].view(8, 8), board)
    assert set(board.flatten().tolist()) == {0, 1, 2}


def test_mine_sweeper_shows_the_numbers_of_cells_without_mines() -> None:
    board = torch.full((4, 4), 3)
    rows = hidden("popgym/mine_sweeper_easy", 4, lambda rows, step: torch.tensor([[step, 0]]))
    for row in rows[1:]:
        if row["is_first"]:
            break
        if not row["is_terminal"]:
            board[tuple(row["prev_action"][0].tolist())] = row["obs", "obs"]
        assert torch.equal(row["obs", "hidden", "board"][0].view(4, 4), board)


def test_concentration_shows_every_card_that_was_turned() -> None:
    known = torch.full((52,), 2)
    for row in hidden("popgym/concentration_easy", 60):
        seen = row["obs", "obs"][0]
        known = torch.where(seen == 2, known, seen)
        assert torch.equal(row["obs", "hidden", "cards"][0], known)


def test_cart_poles_show_the_rest_of_the_state() -> None:
    """Position and velocity of the one are velocity and position of the other."""
    twins = [
        envs.make_env(f"popgym/{name}_cart_pole", 3, observable=True)
        for name in ("position_only", "velocity_only")
    ]
    rows = [env.reset(1) for env in twins]
    for step in range(9):
        rows = [env.step(torch.tensor([step % 2, 1, 0])) for env in twins]
        torch.testing.assert_close(rows[0]["obs", "hidden", "velocity"], rows[1]["obs", "obs"])
        torch.testing.assert_close(rows[1]["obs", "hidden", "position"], rows[0]["obs", "obs"])


def test_a_labyrinth_shows_its_maze_and_where_one_is() -> None:
    rows = hidden("popgym/labyrinth_explore_easy", 40)
    for row in rows:
        found, view = row["obs", "hidden"], row["obs", "obs"][0, :9].view(3, 3)
        maze = found["maze"][0].view(11, 11)
        y, x = divmod(int(found["position"]), 11)
        if y and x:
            padded = torch.nn.functional.pad(maze, (1, 1, 1, 1), value=1)
            assert torch.equal(padded[y : y + 3, x : x + 3], view)
        assert found["explored"][0, found["position"]] == 1


def test_a_maze_shows_its_targets() -> None:
    kwargs = {"num_layouts": 4, "camera": False, "global_observables": True}
    env = envs.make_env("memory_maze/tiny", 2, kwargs, observable=True)
    row = env.reset(0)
    targets = torch.stack([row["obs", "hidden", f"target_{color}"] for color in ("red", "green")], 1)
    torch.testing.assert_close(targets, row["obs", "obs", "targets_vec"][:, :2])


def test_what_says_nothing_has_no_twin_and_trials_go_around_one() -> None:
    with pytest.raises(
        ValueError, match="observable must be false for diagnostic/parity, which does not say"
    ):
        envs.make_env("diagnostic/parity", 1, observable=True)
    env = envs.make_env("popgym/repeat_first_easy", 2, trials=2, observable=True)
    assert isinstance(env, Trials)
    assert set(env.reset(0)["obs", "obs", "hidden"].keys()) == {"first"}
