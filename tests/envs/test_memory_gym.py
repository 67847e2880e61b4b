"""Memory Gym's tasks on a grid beside recordings of the package, by hand, and at random."""

import math
from functools import partial
from statistics import NormalDist

import numpy as np
import pytest
import recorded
import torch
from contract import play_out
from native_checks import native_tests

from engram.envs import make_env
from engram.envs.memory_gym import MortarMayhemGrid, MysteryPathGrid
from engram.envs.memory_gym.grid_task import FORWARD, STAY, TURN_LEFT, TURN_RIGHT
from engram.envs.memory_gym.paths import draw_paths

MAKERS = {
    "commands": partial(MortarMayhemGrid, num_commands=2, show_duration=1, explosion_delay=2),
    "diagonals": partial(MortarMayhemGrid, allowed_commands=9, arena_size=6, observation="symbols"),
    "path": partial(MysteryPathGrid, max_steps=20, num_paths=50),
    "progress": partial(MysteryPathGrid, max_steps=30, progress_reward=0.1, observation="symbols"),
}
RECORDED = recorded.read("memory_gym")


def put_commands(env: MortarMayhemGrid, starts: list[list[int]], commands: list[list[int]]) -> None:
    """Begin episodes with these commands, one in each environment."""
    env.reset(0)
    task = env.state["task"]
    task["commands"].copy_(torch.tensor(commands))
    cell = torch.tensor(starts) @ torch.tensor([env.size, 1])
    task["position"].copy_(cell)
    for number, command in enumerate(task["commands"].unbind(1)):
        cell = env._leads[cell, command]
        task["targets"][:, number] = cell


def put_paths(env: MysteryPathGrid, paths: list[list[list[int]]]) -> None:
    """Begin episodes on these paths, one in each environment."""
    env._on_path = torch.zeros(len(paths), env.size**2, dtype=torch.bool)
    cells = [[env.size * x + y for x, y in path] for path in paths]
    for number, own in enumerate(cells):
        env._on_path[number, own] = True
    env._starts, env._ends = (torch.tensor([own[end] for own in cells]) for end in (0, -1))
    env.reset(0)
    task = env.state["task"]
    task["path"].copy_(torch.arange(len(paths))), task["position"].copy_(env._starts)


def begin(game: str, episodes: list[dict]):
    """The native task in recorded episodes."""
    options, count = episodes[0]["options"], len(episodes)
    if game == "mortar_mayhem":
        commands = [episode["commands"] for episode in episodes]
        env = MortarMayhemGrid(count, **{"num_commands": len(commands[0]), **options})
        put_commands(env, [episode["start"] for episode in episodes], commands)
        return env
    env = MysteryPathGrid(count, num_paths=1, **options)
    put_paths(env, [episode["path"] for episode in episodes])
    return env


def groups() -> list:
    """The recorded episodes of each game by their options."""
    found: dict[str, list[dict]] = {}
    for episode in RECORDED["episodes"]:
        found.setdefault(f"{episode['game']} {episode['options']}", []).append(episode)
    return [pytest.param(episodes, id=name) for name, episodes in found.items()]


def test_enough_was_recorded() -> None:
    for game in ("mortar_mayhem", "mystery_path"):
        steps = [len(one["actions"]) for one in RECORDED["episodes"] if one["game"] == game]
        assert sum(steps) > 4000
    ends = {(one["success"], one["rewards"][-1] > 0) for one in RECORDED["episodes"]}
    assert ends == {(1, True), (0, False), (1, False)}  # the last: the last command failed


@pytest.mark.parametrize("episodes", groups())
def test_the_package_plays_and_looks_the_same(episodes: list[dict]) -> None:
    """Every pixel of every row, by a checksum, rewards, ends and success; recorded by `record_memory_gym.py`."""
    game = episodes[0]["game"]
    env = begin(game, episodes)
    pictures, totals = recorded.observe(env), np.zeros(len(episodes))
    going = list(range(len(episodes)))
    for number in range(max(len(episode["actions"]) for episode in episodes) + 1):
        for index in going:
            assert recorded.checksum(pictures[index]) == episodes[index]["pictures"][number], (index, number)
        going = [index for index in going if number < len(episodes[index]["actions"])]
        if not going:
            break
        actions = [int(episode["actions"][number : number + 1] or 0) for episode in episodes]
        row = env.step(torch.tensor(actions))
        pictures, found = row["obs"], env.report()
        for index in going:
            episode, is_last = episodes[index], number + 1 == len(episodes[index]["actions"])
            assert row["reward"][index].item() == np.float32(episode["rewards"][number])
            assert row["is_last"][index].item() == is_last
            totals[index] += row["reward"][index].item()
            if is_last:
                check_end(env, episode, totals[index], row[index], found, index)


def check_end(env, episode: dict, total: float, row, found: dict, index: int) -> None:
    """How an episode ended, against what the package says of it."""
    success = found["success_rate"][index].item()
    if episode["game"] == "mystery_path":
        assert success == row["is_terminal"].item() == episode["success"]
        assert success or len(episode["actions"]) == env.max_episode_steps
        assert found["num_fails"][index].item() == episode["num_fails"]
        return
    assert row["is_terminal"].item() and success == (total > env.best_return - 0.01)
    # The package also calls it a success where the last command failed.
    assert episode["success"] == success or (episode["success"] and episode["rewards"][-1] == 0)


def begin_two() -> MortarMayhemGrid:
    """An episode with the commands right and stay."""
    env = MortarMayhemGrid(1, num_commands=2, observation="symbols")
    put_commands(env, [[2, 2]], [[0, 4]])
    return env


def test_commands_by_hand() -> None:
    env = begin_two()
    assert env.max_episode_steps == 8 + 6 + 8 and env.best_return == pytest.approx(0.2)
    actions = [FORWARD] * 7 + [TURN_RIGHT, FORWARD] + [STAY] * 13
    rows = list(recorded.follow(env, actions))
    seen = torch.cat([recorded.observe(begin_two()), *(row["obs"] for row in rows)])
    assert seen[:9, 3].tolist() == [1, 1, 1, 0, 5, 5, 5, 0, 0]
    assert (seen[:8, :3] == torch.tensor([2, 2, 0])).all()  # nothing can be done before
    assert seen[8, :3].tolist() == [2, 2, 3] and seen[9, :3].tolist() == [3, 2, 3]
    assert [row["reward"].item() for row in rows if row["reward"] > 0] == pytest.approx([0.1, 0.1])
    on = [number for number, row in enumerate(rows) if row["obs"][0, 4:].tolist() == [4, 3]]
    assert on == [13, 14, 21] and len(rows) == 22
    assert rows[-1]["is_terminal"].item() and env.report()["success_rate"].item() == 1
    assert env.report()["commands_completed"].item() == 1


@pytest.mark.parametrize(
    ("actions", "steps", "done"),
    [
        ([STAY] * 30, 14, 0),  # not there in time
        ([STAY] * 7 + [TURN_RIGHT, FORWARD, *[STAY] * 5, FORWARD], 15, 0.5),  # walks off while cells explode
        (
            [STAY] * 7 + [TURN_RIGHT, FORWARD, *[STAY] * 7, FORWARD, *[STAY] * 9],
            22,
            0.5,
        ),  # fails the last one
    ],
)
def test_who_is_elsewhere_ends(actions: list[int], steps: int, done: float) -> None:
    env = begin_two()
    rows = list(recorded.follow(env, actions[:steps]))
    assert [row["is_last"].item() for row in rows] == [False] * (steps - 1) + [True]
    assert rows[-1]["is_terminal"].item() and rows[-1]["reward"].item() == 0
    assert env.report()["success_rate"].item() == 0 and env.report()["commands_completed"].item() == done


def test_commands_stay_in_the_arena_and_are_drawn_evenly() -> None:
    env = MortarMayhemGrid(20_000, allowed_commands=9, observation="symbols")
    env.reset(0)
    task = env.state["task"]
    assert (torch.bincount(task["position"]) - 800).abs().max() < 130
    middle = task["commands"][:, 0][task["position"] == 12]
    assert (torch.bincount(middle) - len(middle) / 9).abs().max() < 50
    corner = task["commands"][:, 0][
        task["position"] == 0
    ]  # where right, down, stay and right_down stay inside
    assert corner.unique().tolist() == [0, 1, 4, 5]
    assert torch.equal(env._leads[task["targets"][:, 0], task["commands"][:, 1]], task["targets"][:, 1])


def test_what_is_hidden_is_what_was_shown() -> None:
    env = MortarMayhemGrid(64, observation="symbols")
    row = env.reset(1)
    signs = []
    while not row["is_last"].any():
        found = env.hidden()
        signs.append(row["obs"][:, 3])
        ago = found["command"].rows_ago
        seen = torch.stack(signs, 1).gather(1, (len(signs) - 1 - ago)[:, None]).squeeze(1)
        assert torch.equal(seen, 1 + found["command"].value)
        x, y = row["obs"][:, 4], row["obs"][:, 5]
        is_shown = found["target"].is_shown
        assert torch.equal(is_shown, x > 0)
        assert torch.equal(found["target"].value[is_shown], ((x - 1) * 5 + y - 1)[is_shown])
        # Turn towards the target, and walk.
        position, target = env.state["task", "position"], found["target"].value
        dx, dy = target // 5 - position // 5, target % 5 - position % 5
        wanted = torch.where(dx > 0, 3, torch.where(dx < 0, 1, torch.where(dy > 0, 2, 0)))
        turn = torch.where(wanted == env.state["task", "rotation"], FORWARD, TURN_LEFT)
        row = env.step(torch.where((dx == 0) & (dy == 0), STAY, turn))
    assert row["is_terminal"].all() and (env.report()["success_rate"] == 1).all()
    assert env.state["time"][0] == env.max_episode_steps == 118


def test_a_path_by_hand() -> None:
    env = MysteryPathGrid(1, num_paths=1, max_steps=10, progress_reward=0.25, observation="symbols")
    path = [[0, 3], [1, 3], [2, 3]]
    put_paths(env, [path])
    actions = [TURN_RIGHT, FORWARD, TURN_LEFT, FORWARD, TURN_RIGHT, TURN_RIGHT, FORWARD, FORWARD]
    rows = list(recorded.follow(env, actions))
    assert [row["obs"][0].tolist() for row in rows] == [
        [0, 3, 3, 0],
        [1, 3, 3, 0],
        [1, 3, 0, 0],
        [1, 2, 0, 1],
        [0, 3, 0, 0],  # at the start again, and not turned
        [0, 3, 3, 0],
        [1, 3, 3, 0],
        [2, 3, 3, 0],
    ]
    assert [row["reward"].item() for row in rows] == [0, 0.25, 0, 0, 0, 0, 0, 1]
    assert rows[-1]["is_terminal"].item() and env.report()["num_fails"].item() == 1
    put_paths(env, [path])
    rows = list(recorded.follow(env, [STAY] * 10))
    assert rows[-1]["is_last"].item() and not rows[-1]["is_terminal"].item()
    found = env.hidden()
    assert found["path"].value.nonzero()[:, 1].tolist() == [3, 10, 17] and found["end"].value.item() == 17


def test_paths_are_as_long_as_the_packages() -> None:
    """Lengths of 4,096 paths beside those of 2,000 of the package, by a chi-squared test."""
    starts, ends, on_path = draw_paths(4096, 7)
    assert (on_path.gather(1, starts[:, None]) & on_path.gather(1, ends[:, None])).all()
    x, y = starts // 7, starts % 7
    across = torch.where((x == 0) | (x == 6), ends // 7 == 6 - x, False) | (
        torch.where((y == 0) | (y == 6), ends % 7 == 6 - y, False)
    )
    assert across.all()
    theirs = np.zeros(20)
    for length, count in RECORDED["random"]["memory_gym/mystery_path_grid"]["paths"]:
        theirs[length] = count
    ours = torch.bincount(on_path.sum(1), minlength=20).numpy().astype(float)
    table = np.stack([np.append(one[7:13], one[13:].sum()) for one in (ours, theirs)])
    assert table.sum(1).tolist() == [4096, 2000]
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert ((table - expected) ** 2 / expected).sum() < 22.46  # 6 degrees of freedom, one in a thousand


@pytest.mark.parametrize("name", RECORDED["random"])
def test_random_play_is_worth_the_same(name: str) -> None:
    """As the package's recorded episodes, and as the table says; of all these tests one in a thousand may fail."""
    limit = NormalDist().inv_cdf(1 - 0.001 / (2 * 9))
    env = make_env(name, 4000)
    env.shows_pixels = False
    env.reset(3)
    ours = [found.numpy() for found in play_out(env)]
    theirs = RECORDED["random"][name]
    for own, counted in zip(ours, (theirs["returns"], theirs["lengths"]), strict=True):
        other = np.repeat(*(np.array(part) for part in zip(*counted, strict=True)))
        error = math.sqrt(own.var() / len(own) + other.var() / len(other))
        assert abs(own.mean() - other.mean()) < limit * error
    assert abs(ours[0].mean() - env.chance_return) < 0.0005 + limit * ours[0].std() / 4000**0.5


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(MAKERS)


@pytest.mark.parametrize("kind", [MortarMayhemGrid, MysteryPathGrid])
def test_pictures_show_what_is_hidden(kind) -> None:
    env = kind(2)
    row = env.reset(0)
    picture = env.render(1)
    seen = row["obs"][1].transpose(0, 1).numpy()
    differs = (picture[::5, ::5] != seen).any(2)
    assert picture.shape == (420, 420, 3) and 0 < differs.sum() < 84 * 84 / 2


def test_wrong_options_are_refused() -> None:
    with pytest.raises(
        ValueError, match="allowed_commands of MortarMayhemGrid must be a whole number from 4 to 9"
    ):
        MortarMayhemGrid(1, allowed_commands=3)
    with pytest.raises(ValueError, match="memory_gym/mortar_mayhem_grid_3 takes no options, but got kwargs"):
        make_env("memory_gym/mortar_mayhem_grid_3", 1, {"num_commands": 9})
