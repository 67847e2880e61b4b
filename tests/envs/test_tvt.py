"""Key-to-Door and Visual Match beside recordings of the originals, by hand, and at random."""

from functools import partial

import numpy as np
import pytest
import recorded
import torch
from contract import check_worth_chance
from native_checks import native_tests

from engram.envs import make_env
from engram.envs.tvt import KeyToDoor, VisualMatch
from engram.envs.tvt.boards import APPLE, BLUE, COLORS, DOOR, GREEN, INDICATOR, KEY, PLAYER, RED, WIDTH

NORTH, SOUTH, WEST, EAST = range(4)
CLASSES = {"key_to_door": KeyToDoor, "visual_match": VisualMatch}
MAKERS = {
    "key": partial(KeyToDoor, delay=3),
    "match": partial(VisualMatch, delay=4, num_apples=3),
    "pixels": partial(KeyToDoor, delay=2, num_apples=0, observation="pixels"),
}


def cell(place: list[int]) -> int:
    return place[0] * WIDTH + place[1]


def put(env, episodes: list[dict]) -> None:
    """Begin recorded episodes, one in each environment."""
    env.reset(0)
    for index, episode in enumerate(episodes):
        task = env.state["task"][index]
        apples = torch.tensor([cell(at) for at in episode["apples"]])
        task["position"].fill_(cell(episode["start"]))
        task["apples"].copy_(torch.isin(env._apple_cells, apples))
        if "key" in episode:
            task["key"].fill_(cell(episode["key"]))
        else:
            task["cue"].fill_(cell(episode["cue"]))
            task["target"].fill_(episode["order"].index(episode["target"]))


def pixels(symbols: torch.Tensor, episode: dict) -> np.ndarray:
    """What one environment's symbols look like in the original, which shuffles its three colours once."""
    colors = np.array(COLORS, dtype=np.uint8)
    if "order" in episode:
        colors[RED : BLUE + 1] = np.array(episode["order"]) * 255 // 1000
    return colors[symbols.numpy()]


@pytest.mark.parametrize("delay", [30, 60])
@pytest.mark.parametrize("game", CLASSES)
def test_the_originals_play_and_look_the_same(game: str, delay: int) -> None:
    """Rewards, ends, success and every pixel, by a checksum; recorded by `record_tvt.py`."""
    episodes = [
        one for one in recorded.read("tvt")["episodes"] if (one["game"], one["delay"]) == (game, delay)
    ]
    assert {episode["success"] for episode in episodes} == {False, True}
    env = CLASSES[game](len(episodes), delay=delay)
    put(env, episodes)
    obs = recorded.observe(env)
    actions = torch.tensor([episode["actions"] for episode in episodes])
    assert actions.shape == (15, env.max_episode_steps)
    for number in range(1 + actions.shape[1]):
        for index, episode in enumerate(episodes):
            assert recorded.checksum(pixels(obs[index], episode)) == episode["pictures"][number]
        if number == actions.shape[1]:
            break
        row = env.step(actions[:, number])
        assert row["reward"].tolist() == [episode["rewards"][number] for episode in episodes]
        obs = row["obs"]
    assert row["is_last"].all() and row["is_terminal"].all()
    assert env.report()["success_rate"].tolist() == [episode["success"] for episode in episodes]


def test_a_key_by_hand() -> None:
    env = KeyToDoor(1, delay=2, num_apples=0)
    put(env, [{"start": [4, 4], "apples": [], "key": [2, 5]}])
    assert env.best_return == 5 and env.max_episode_steps == 27
    rows = [env.step(torch.tensor([action])) for action in (EAST, NORTH, NORTH, NORTH)]
    assert rows[2]["obs"][0].tolist() == [
        [1, 1, INDICATOR, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, PLAYER, 0, 0],
        [1, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
    ]
    assert rows[1]["obs"][0, 1, 2] == KEY and not (rows[3]["obs"] == INDICATOR).any()
    for _ in range(13):
        row = env.step(torch.tensor([SOUTH]))
    assert env.state["time"].item() == 17 and row["obs"][0, 0, 2] == DOOR
    rows = [env.step(torch.tensor([action])) for action in (NORTH, NORTH, SOUTH, NORTH, NORTH, *[EAST] * 5)]
    assert [row["reward"].item() for row in rows] == [0, 5] + [0] * 8
    assert rows[-1]["is_terminal"].item() and env.report()["success_rate"].item() == 1
    env.step(torch.tensor([0]))
    put(env, [{"start": [4, 4], "apples": [], "key": [2, 5]}])
    env.state["time"].fill_(17), env.state["task", "position"].fill_(cell([2, 5]))
    assert env.step(torch.tensor([NORTH]))["obs"][0, 1, 2] == DOOR  # shut
    assert env.state["task", "position"].item() == cell([2, 5])


def test_apples_come_back_and_are_no_success() -> None:
    env = VisualMatch(1, delay=40)
    put(env, [{"start": [2, 5], "apples": [[4, 4]], "cue": [1, 4], "target": 0, "order": [0, 1, 2]}])
    env.state["time"].fill_(15), env.state["task", "position"].fill_(cell([5, 5]))
    rows = [env.step(torch.tensor([action])) for action in (NORTH, WEST, *[SOUTH] * 22)]
    assert [row["reward"].item() for row in rows[:3]] == [0, 1, 0]
    # Taken by the second action, the apple lies there again after the twenty-third.
    seen = [bool((row["obs"] == APPLE).any()) for row in rows]
    assert seen == [True] + [False] * 21 + [True] * 2
    env.state["time"].fill_(env.max_episode_steps - 1)
    assert env.step(torch.tensor([NORTH]))["is_last"].item() and env.report()["success_rate"].item() == 0


@pytest.mark.parametrize("target, paid", [(0, 0), (1, 5), (2, 0)])
def test_only_the_right_color_pays(target: int, paid: int) -> None:
    env = VisualMatch(1, delay=1, num_apples=0)
    env.reset(0)
    task = env.state["task"]
    task["target"].fill_(target), task["cue"].fill_(cell([1, 4]))
    assert env.observe(dict(task.items()), env.state["time"])[0, 1, 1] == RED + target
    rows = [env.step(torch.tensor([NORTH])) for _ in range(16 + 15)]
    assert rows[14]["obs"][0, 1:4, 1:4].tolist() == [[0] * 3, [0, PLAYER, 0], [1] * 3]  # the orchard
    assert rows[17]["obs"][0, 0, 2] == GREEN and sum(row["reward"].item() for row in rows) == paid
    assert not (rows[19]["obs"] == GREEN).any() and rows[-1]["is_terminal"].item()


def test_pixels_are_the_symbols_in_color() -> None:
    symbols, colored = KeyToDoor(3), KeyToDoor(3, observation="pixels")
    row, other = symbols.reset(1), colored.reset(1)
    for number in range(20):
        assert np.array_equal(np.array(COLORS)[row["obs"].numpy()], other["obs"].numpy())
        action = torch.full((3,), number % 4)
        row, other = symbols.step(action), colored.step(action)
    assert other["obs"].dtype == torch.uint8


def test_places_are_drawn_evenly() -> None:
    env = KeyToDoor(20_000)
    state, _ = env.reset_fn(0)
    task = state["task"]
    for key in ("key", "position"):
        counts = torch.bincount(task[key])
        assert (counts > 0).sum() == 10 and (counts[counts > 0] - 2000).abs().max() < 180
    assert (task["apples"].sum(1) == 10).all()
    assert (task["apples"].sum(0) - 20_000 * 10 / 22).abs().max() < 300
    match = VisualMatch(20_000).reset_fn(0)[0]["task"]
    assert (torch.bincount(match["target"]) - 20_000 / 3).abs().max() < 280
    assert (torch.bincount(match["cue"])[match["cue"].unique()] - 2500).abs().max() < 200


@pytest.mark.parametrize("name", ["tvt/key_to_door", "tvt/visual_match"])
def test_random_play_is_worth_chance(name: str) -> None:
    env = make_env(name, 2000)
    env.reset(3)
    check_worth_chance(env)


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(MAKERS)


def test_a_picture_shows_the_board_and_the_view() -> None:
    env = KeyToDoor(1)
    env.reset(0)
    picture = env.render(0)
    assert picture.shape == (7 * 36 + 2, 11 * 36 + 2, 3)
    env.step(torch.tensor([NORTH]))
    assert not np.array_equal(picture, env.render(0)) and len(COLORS) == 10
