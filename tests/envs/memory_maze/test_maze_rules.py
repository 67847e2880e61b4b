"""Rewards, prompts, ends and observations of the native Memory Maze."""

import math

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from engram.envs.memory_maze import MemoryMaze
from engram.envs.memory_maze.episodes import next_targets
from engram.envs.memory_maze.motion import bodies_at
from engram.envs.memory_maze.sizes import COLORS, SIZES

NOOP, FORWARD = 0, 1


def make(num_envs: int = 8, size: str = "9x9", **options) -> MemoryMaze:
    return MemoryMaze(
        num_envs, size, **{"num_layouts": 64, "camera": False, "global_observables": True, **options}
    )


def placed(env: MemoryMaze, away: float, target: int | None = None) -> None:
    """Put every agent `away` metres beside a target, the current one by default."""
    task = env.state["task"]
    number = task["current_target"] if target is None else torch.full((env.num_envs,), target)
    goal = task["target_positions"][torch.arange(env.num_envs), number]
    # Towards the middle of the target's cell's room there is no wall within reach; bodies rest.
    free = ~env._layouts.walls[task["layout"]]
    column, row = (goal + 1).long().unbind(1)
    side = torch.where(free[torch.arange(env.num_envs), row, column + 1], 1.0, -1.0)
    task["body"] = bodies_at(goal + torch.stack([side * away / 2, 0 * side], 1), torch.zeros(env.num_envs))


def play(env: MemoryMaze, seed: int, steps: int) -> list[TensorDict]:
    generator = torch.Generator().manual_seed(0)
    rows = [env.reset(seed)]
    for _ in range(steps):
        rows.append(env.step(torch.randint(6, (env.num_envs,), generator=generator)))
    return rows


def noop(env: MemoryMaze) -> torch.Tensor:
    return torch.full((env.num_envs,), NOOP)


@pytest.mark.parametrize("low_walls, inside, outside", [(False, 0.76, 0.79), (True, 0.40, 0.43)])
def test_touch_while_standing(low_walls: bool, inside: float, outside: float) -> None:
    env = make(16, low_walls=low_walls)
    env.reset(1)
    placed(env, outside)
    assert not env.step(noop(env))["reward"].any()
    placed(env, inside)
    assert env.step(noop(env))["reward"].eq(1.0).all()


def test_the_reward_comes_with_the_next_prompt_and_once() -> None:
    env = make(16)
    before = env.reset(1)["obs", "target_pos"]
    placed(env, 0.3)
    row = env.step(noop(env))
    assert row["reward"].eq(1.0).all() and (row["obs", "target_pos"] != before).any(1).all()
    assert not env.step(noop(env))["reward"].any(), "the agent stands on a target that is no longer current"


def test_a_success_is_each_target_reached_once() -> None:
    """Three targets, in an order that each episode draws: some come again before the last one does."""
    env = make(8)
    env.reset(1)
    reached: list[set[int]] = [set() for _ in range(8)]
    found = []
    for _ in range(12):
        for targets, current in zip(reached, env.state["task", "current_target"].tolist(), strict=True):
            targets.add(current)
        placed(env, 0.3)
        assert env.step(noop(env))["reward"].eq(1.0).all()
        assert env.report()["success_rate"].tolist() == [float(len(targets) == 3) for targets in reached]
        found.append(env.report()["success_rate"].mean().item())
    assert found[:2] == [0, 0] and found[-1] == 1 and 0 < found[2] < 1


def test_other_targets_do_nothing() -> None:
    env = make(64)
    env.reset(1)
    current = env.state["task", "current_target"].clone()
    placed(env, 0.0, target=0)
    row = env.step(noop(env))
    assert torch.equal(row["reward"] == 1.0, current == 0) and (current == 0).any() and (current != 0).any()
    assert torch.equal(env.state["task", "current_target"][current != 0], current[current != 0])


def test_what_becomes_current_under_the_agent_pays_on_the_next_action() -> None:
    env = make(4)
    env.reset(1)
    # All targets in one place: none is free of touch, so that the next is any other.
    task = env.state["task"]
    task["target_positions"] = task["target_positions"][:, :1].expand(-1, 3, -1).contiguous()
    placed(env, 0.0)
    current = [task["current_target"].clone()]
    for _ in range(20):
        assert env.step(noop(env))["reward"].eq(1.0).all()
        current.append(env.state["task", "current_target"].clone())
    assert all((now != then).all() for now, then in zip(current[1:], current, strict=False))


def test_the_next_target_is_any_that_is_not_touched() -> None:
    count = 30_000
    current = torch.full((count,), 1)
    draws, time = torch.arange(count) * 7919, torch.zeros(count, dtype=torch.int64)
    touching = torch.tensor([[False, True, False, False]]).expand(count, 4)
    shares = torch.bincount(next_targets(current, touching, draws, time), minlength=4) / count
    assert shares[1] == 0.0 and (shares[[0, 2, 3]] - 1 / 3).abs().max() < 0.01
    touching = torch.tensor([[True, True, False, False]]).expand(count, 4)
    shares = torch.bincount(next_targets(current, touching, draws, time), minlength=4) / count
    assert shares[:2].tolist() == [0.0, 0.0] and (shares[2:] - 1 / 2).abs().max() < 0.01


@pytest.mark.parametrize(
    "size, length", [("tiny", 250), ("9x9", 1000), ("11x11", 2000), ("13x13", 3000), ("15x15", 4000)]
)
def test_an_episode_is_truncated_at_its_length(size: str, length: int) -> None:
    assert SIZES[size].episode_length == length
    env = make(2, size)
    env.reset(0)
    env.state["time"][:] = length - 2
    rows = [env.step(noop(env)) for _ in range(3)]
    assert [row["is_last"].all().item() for row in rows] == [False, True, False]
    assert [row["is_first"].all().item() for row in rows] == [False, False, True]
    assert not any(row["is_terminal"].any() for row in rows)


def test_a_whole_episode_has_its_length() -> None:
    rows = play(make(2, "tiny"), 0, 502)
    ends = [index for index, row in enumerate(rows) if row["is_last"].any()]
    assert ends == [250, 501] and rows[250]["is_last"].all()


def test_layout_and_targets_stay_for_an_episode_and_change_with_it() -> None:
    rows = play(make(16, "tiny"), 3, 300)
    for key in ("maze_layout", "targets_pos"):
        assert torch.equal(rows[0]["obs", key], rows[250]["obs", key])
        changed = (rows[0]["obs", key] != rows[251]["obs", key]).flatten(1).any(1)
        assert changed.float().mean() > 0.8


def test_global_observables_by_hand() -> None:
    env = make(1)
    env.reset(0)
    task = env.state["task"]
    task["body"] = bodies_at(torch.tensor([[2.5, 3.0]]), torch.tensor([math.pi / 2]))
    task["target_positions"] = torch.tensor([[[4.5, 4.5], [0.5, 0.5], [2.5, 5.5]]])
    task["current_target"] = torch.tensor([1])
    obs = env.observe(dict(task.items()), torch.tensor([0]))
    assert obs["agent_pos"].tolist() == [[2.5, 3.0]]
    torch.testing.assert_close(obs["agent_dir"], torch.tensor([[0.0, 1.0]]), rtol=0, atol=1e-6)
    # It looks along y: what lies to its right is at greater x.
    expected = torch.tensor([[[2.0, 1.5], [-2.0, -2.5], [0.0, 2.5]]])
    torch.testing.assert_close(obs["targets_vec"], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(obs["target_vec"], expected[:, 1], rtol=0, atol=1e-5)
    assert obs["target_pos"].tolist() == [[0.5, 0.5]]
    torch.testing.assert_close(obs["target_color"][0], torch.tensor(COLORS["green"]))
    walls = env._layouts.walls[task["layout"]][0]
    assert obs["maze_layout"].dtype == torch.uint8 and obs["maze_layout"].shape == (1, 9, 9)
    assert torch.equal(obs["maze_layout"][0] == 0, walls[1:-1, 1:-1])


def test_the_agent_stays_in_open_cells() -> None:
    rows = play(make(64), 5, 200)
    for row in rows:
        column, line = row["obs", "agent_pos"].floor().long().unbind(1)
        assert row["obs", "maze_layout"][torch.arange(64), line, column].all()


def test_two_numbers_drive_as_the_six_actions_do() -> None:
    six, two = make(6), make(6, discrete_actions=False)
    six.reset(2), two.reset(2)
    actions = torch.arange(6)
    numbers = torch.tensor([[0, 0], [1, 0], [0, 1], [0, -1], [1, 1], [1, -1]], dtype=torch.float32)
    for _ in range(5):
        row, other = six.step(actions), two.step(numbers)
        assert torch.equal(row["obs", "agent_pos"], other["obs", "agent_pos"])
    assert two.single_action_space.shape == (2,)


def test_pictures_and_their_spaces() -> None:
    env = make(2, camera=True, global_observables=False)
    row = env.reset(0)
    assert row["obs"].shape == (2, 64, 64, 3) and row["obs"].dtype == torch.uint8
    both = make(2, camera=True).reset(0)
    assert torch.equal(both["obs", "image"], row["obs"])
    prompt = torch.tensor([(137, 30, 24), (80, 137, 71), (31, 113, 176)], dtype=torch.uint8)
    current = env.state["task", "current_target"]
    assert torch.equal(row["obs"][:, 0, 0], prompt[current]) and torch.equal(
        row["obs"][:, 63, 30], prompt[current]
    )


def test_render_shows_the_view_and_the_maze_from_above() -> None:
    env = make(3, "tiny", camera=True, global_observables=False)
    with pytest.raises(ValueError, match="call reset first"):
        env.render(0)
    env.reset(0)
    first = env.render(1)
    for _ in range(6):
        env.step(torch.full((3,), 4))
        second = env.render(1)
    assert first.dtype == np.uint8 and first.shape == second.shape and (first != second).any()
    with pytest.raises(ValueError, match="index is 3"):
        env.render(3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": "8x8"}, "must be one of tiny, 9x9"),
        ({"num_layouts": 0}, "at least 1"),
        (
            {"global_observables": False},
            "camera of MemoryMaze must be true where global_observables is false",
        ),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(1, **options)
