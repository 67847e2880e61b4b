"""The native tasks of MiniGrid by hand, at their best, and by chance."""

from functools import partial

import numpy as np
import pytest
import torch
from contract import play
from native_checks import native_tests

from engram.envs import TASKS, make_env
from engram.envs.minigrid import MiniGridMemory, RedBlueDoors
from engram.envs.minigrid.views import BALL, EMPTY, KEY, RED_OPEN, WALL, view_cells, visible

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
MAKERS = {
    "s7": MiniGridMemory,
    "s11random": partial(MiniGridMemory, size=11, random_length=True),
    "doors": partial(RedBlueDoors, size=5),
}
NAMES = [name for name in TASKS if name.startswith("minigrid/")]


def put(env, **task: int) -> None:
    """Reset one environment and put it where it is told."""
    env.reset(0)
    for key, value in task.items():
        env.state["task", key].fill_(value)


def seen(env) -> np.ndarray:
    """Types of the cells in view, far ones above."""
    return env.observe(dict(env.state["task"].items()), env.state["time"])["image"][0, :, :, 0].T.numpy()


def test_a_view_by_hand() -> None:
    env = MiniGridMemory(1, size=7)
    put(
        env, layout=1, position=1 + 7 * 3, direction=0
    )  # a key beside the agent; a ball to the left at the end
    assert seen(env).tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [2, 2, 2, 2, 2, 2, 2],
        [2, 6, 1, 1, 1, 5, 2],
        [0, 2, 2, 1, 2, 2, 0],
        [0, 2, 1, 1, 1, 2, 0],
        [0, 2, 1, 1, 1, 2, 0],
        [0, 2, 5, 1, 1, 2, 0],
    ]
    put(env, layout=1, position=1 + 7 * 3, direction=3)  # close to it, with a wall behind
    assert seen(env)[4:].tolist() == [[0, 0, 2, 2, 2, 2, 2], [0, 0, 2, 5, 1, 1, 2], [0, 0, 2, 1, 1, 1, 1]]


def test_sight_ends_at_walls() -> None:
    kinds = torch.zeros(1, 7, 7, dtype=torch.uint8)
    kinds[0, :, 4] = WALL
    assert visible(kinds)[0].T.tolist() == [[False] * 7] * 4 + [[True] * 7] * 3
    kinds[0, 3, 4] = KEY  # a gap: behind it sight spreads to both sides
    assert visible(kinds).all()


def test_cells_before_an_agent() -> None:
    cells = view_cells(9, 8)
    agent = 4 + 9 * 7
    # In all directions the cell before it, the one to its right, and the one far to the left.
    assert cells[agent, 3, 3, 5] == agent - 9 and cells[agent, 3, 4, 6] == agent + 1
    assert cells[agent, 0, 3, 5] == agent + 1 and cells[agent, 0, 4, 6] == 72  # outside
    assert cells[agent, 2, 3, 5] == agent - 1 and cells[agent, 2, 4, 6] == agent - 9
    assert cells[4, 1, 3, 5] == 13 and cells[4, 1, 4, 6] == 3 and cells[4, 1, 0, 0] == 7 + 9 * 6


@pytest.mark.parametrize("layout, side", [(0, LEFT), (1, RIGHT), (2, RIGHT), (3, LEFT)])
def test_the_way_to_the_object(layout: int, side: int) -> None:
    env = MiniGridMemory(1)
    put(env, layout=layout, position=3 + 7 * 3)
    actions = [DONE, PICKUP, DROP, TOGGLE, FORWARD, FORWARD, FORWARD, side, FORWARD]
    rows = [env.step(torch.tensor([action])) for action in actions]
    assert [row["is_last"].item() for row in rows] == [False] * 8 + [True]
    assert rows[-1]["is_terminal"].item() and rows[-1]["reward"].item() == np.float32(1 - 0.9 * (9 / 245))
    assert env.report()["success_rate"].item() == 1
    put(env, layout=layout, position=5 + 7 * 3, direction=0)
    wrong = [env.step(torch.tensor([action])) for action in (RIGHT + LEFT - side, FORWARD)][-1]
    assert wrong["is_terminal"].item() and wrong["reward"].item() == 0


def test_doors_by_hand() -> None:
    env = RedBlueDoors(1, size=6)
    red_row, blue_row = 2, 3
    layout = ((red_row - 1) * 4 + blue_row - 1) * 4
    put(env, layout=layout, position=4 + 12 * red_row, direction=2)
    rows = [env.step(torch.tensor([action])) for action in (TOGGLE, TOGGLE, TOGGLE, FORWARD, FORWARD)]
    assert not any(row["is_last"].item() or row["reward"].item() for row in rows)
    assert [row["obs", "image"][0, 3, 5].tolist() for row in rows[:3]] == [[4, 0, 0], [4, 0, 1], [4, 0, 0]]
    assert env.state["task", "position"].item() == 2 + 12 * red_row  # through the door
    env.state["task", "position"].fill_(7 + 12 * blue_row), env.state["task", "direction"].fill_(0)
    end = env.step(torch.tensor([TOGGLE]))
    assert end["is_terminal"].item() and end["reward"].item() == np.float32(1 - 0.9 * (6 / 720))
    assert end["obs", "image"][0, 3, 5].tolist() == [4, 2, 0]
    put(env, layout=layout, position=7 + 12 * blue_row, direction=0)
    end = env.step(torch.tensor([TOGGLE]))
    assert end["is_terminal"].item() and end["reward"].item() == 0


def test_episodes_are_drawn_evenly() -> None:
    env = make_env("minigrid/memory_s13random", 20_000)
    env.reset(0)
    task = env.state["task"]
    layouts = torch.bincount(task["layout"], minlength=28)
    assert ((layouts - 20_000 / 28) ** 2 / (20_000 / 28)).sum() < 27 + 4 * 54**0.5
    shortest = task["position"][task["layout"] < 4] - 13 * 6
    columns = torch.bincount(shortest, minlength=5)
    assert columns[0] == 0 and len(columns) == 5 and (columns[1:] - columns.sum() / 4).abs().max() < 150


def next_places(env) -> torch.Tensor:
    """Where turns and a step lead from every place of a memory layout, int64 [3, P * 4]."""
    free = torch.nn.functional.pad(env._grids[0] == 0, (0, env.size + 1))
    place = torch.arange(env.num_cells * 4)
    cell, direction = place // 4, place % 4
    ahead = cell + torch.tensor([1, env.size, -1, -env.size])[direction]
    walks = torch.where(free[ahead.clamp(0)], ahead, cell)
    return torch.stack(
        [cell * 4 + (direction - 1) % 4, cell * 4 + (direction + 1) % 4, walks * 4 + direction]
    )


def best_memory_return(env) -> float:
    """The best there is on average, by dynamic programming over what is known, for one length of the hallway."""
    following, middle = next_places(env), env.size // 2
    goals = [env.ends[0] + 1 + env.size * (middle + side) for side in (-1, 1)]
    cell, far = torch.arange(env.num_cells * 4) // 4, 1e9
    at = [cell == goal for goal in goals]

    def settle(start: torch.Tensor, fixed: torch.Tensor, through) -> torch.Tensor:
        steps, before = start, None
        while before is None or not torch.equal(steps, before):
            before = steps
            steps = torch.where(fixed, start, 1 + through(before)[following].amin(0))
        return steps

    def to(goal: int) -> torch.Tensor:
        start = torch.where(at[goal], 0.0, far)
        return settle(start, at[0] | at[1], lambda steps: steps)

    known = (to(0) + to(1)) / 2
    views = env._views.view(4, env.num_cells * 4, -1)
    shows_cue, shows_order = (views[0] != views[2]).any(1), (views[0] != views[1]).any(1)
    nowhere, ends = torch.full_like(known, far), at[0] | at[1]
    cue = settle(nowhere, ends, lambda steps: torch.where(shows_order, known, steps))
    order = settle(nowhere, ends, lambda steps: torch.where(shows_cue, known, steps))

    def learn(steps: torch.Tensor) -> torch.Tensor:
        some = torch.where(shows_order, order, torch.where(shows_cue, cue, steps))
        return torch.where(shows_order & shows_cue, known, some)

    both = learn(settle(nowhere, ends, learn))
    starts = torch.tensor([(x + env.size * middle) * 4 for x in range(1, env.ends[0] + 1)])
    return 1 - 0.9 * both[starts].double().mean().item() / env.max_episode_steps


@pytest.mark.parametrize("size", [7, 9, 11, 13])
def test_the_best_return_of_memory(size: int) -> None:
    env = MiniGridMemory(1, size=size)
    assert env.best_return == pytest.approx(best_memory_return(env), abs=5e-5)


def test_the_best_return_of_a_random_length() -> None:
    for size in (13, 17):
        env, returns = MiniGridMemory(1, size=size, random_length=True), []
        every, env.ends = list(env.ends), env.ends
        views, grids = env._views.view(len(every), -1), env._grids
        for number, end in enumerate(every):
            env.ends, env._views, env._grids = range(end, end + 1), views[number], grids[4 * number :]
            returns.append(best_memory_return(env))
        assert env.best_return == pytest.approx(np.mean(returns), abs=5e-5)


@pytest.mark.parametrize("size", [6, 8])
def test_the_return_of_who_knows_the_doors(size: int) -> None:
    """Dynamic programming over places and doors with the task's own rules."""
    env = RedBlueDoors(1, size=size)
    place = torch.arange(len(env._grids) * env.num_cells * 4)
    task = {
        "layout": place // (4 * env.num_cells),
        "position": (place // 4) % env.num_cells,
        "direction": place % 4,
    }
    kind = env._grids[task["layout"], task["position"]]
    stands = (kind == EMPTY) | (kind == RED_OPEN)
    task["position"] = torch.where(stands, task["position"], env.width // 2 + 1 + env.width)
    results = [
        env.advance(task, torch.zeros_like(place), torch.full_like(place, action))
        for action in (LEFT, RIGHT, FORWARD, TOGGLE)
    ]
    steps, before = torch.full(place.shape, 1e9), None
    while before is None or not torch.equal(steps, before):
        before = steps
        parts = []
        for moved, reward, ended, _ in results:
            to = (moved["layout"] * env.num_cells + moved["position"]) * 4 + moved["direction"]
            parts.append(torch.where(reward > 0, 0.0, torch.where(ended, 1e9, before[to])))
        steps = 1 + torch.stack(parts).amin(0)
    column = task["position"] % env.width - size // 2
    starts = (kind == EMPTY) & (task["layout"] % 4 == 0) & (column > 0) & (column < size - 1)
    best = 1 - 0.9 * steps[starts].double().mean().item() / env.max_episode_steps
    assert env.best_return == pytest.approx(best, abs=5e-5)


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(MAKERS)


@pytest.mark.parametrize("name", ["minigrid/memory_s7", "minigrid/red_blue_doors_6x6"])
def test_episodes_are_truncated(name: str) -> None:
    env = make_env(name, 3)
    env.reset(0)
    for _ in range(env.max_episode_steps):
        row = env.step(torch.zeros(3, dtype=torch.int64))
    assert row["is_last"].all() and not row["is_terminal"].any() and not row["reward"].any()


def test_a_picture_shows_the_agent_and_its_view() -> None:
    env = MiniGridMemory(2)
    play(env, 0, 3)
    picture = env.render(1)
    assert picture.dtype == np.uint8 and picture.shape == (7 * 57, 7 * 57, 3)
    env.step(torch.tensor([0, 0]))
    assert not np.array_equal(picture, env.render(1))


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(
        ValueError, match="size of MiniGridMemory must be an odd whole number from 7 to 31, but got 8"
    ):
        MiniGridMemory(2, size=8)
    with pytest.raises(ValueError, match="minigrid/memory_s7 takes no options, but got kwargs"):
        make_env("minigrid/memory_s7", 2, {"size": 9})
    assert (KEY, BALL) == (2, 3) and len(NAMES) == 10
