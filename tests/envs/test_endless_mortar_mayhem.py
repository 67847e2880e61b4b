"""Memory Gym's endless Mortar Mayhem beside recordings of the package, by hand, and played without fault."""

import math
from functools import partial

import numpy as np
import pytest
import recorded
import torch
from contract import check_worth_chance
from native_checks import native_tests

from engram.envs import make_env
from engram.envs.memory_gym import EndlessMortarMayhem
from engram.envs.memory_gym.endless_schedule import EndlessSchedule

MAKERS = {
    "pictures": partial(EndlessMortarMayhem, show_duration=1, explosion_delay=3, max_steps=9),
    "symbols": partial(EndlessMortarMayhem, initial_commands=3, agent_speed=2.5, observation="symbols"),
    "no feedback": partial(EndlessMortarMayhem, visual_feedback=False, allowed_commands=4),
}
EPISODES = recorded.read("endless_mortar_mayhem")["episodes"]
STAY, LEFT, RIGHT, UP, DOWN = (0, 0), (1, 0), (2, 0), (0, 1), (0, 2)


def put(env: EndlessMortarMayhem, starts: list[list[int]], commands: list[list[int]]) -> None:
    """Begin episodes here, with these commands."""
    longest = max(map(len, commands))
    table = torch.tensor([one + [0] * (longest - len(one)) for one in commands])

    def listed(draws: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        return table[draws % len(table), number.clamp(max=longest - 1)]

    env._command = listed
    env.reset(0)
    task = env.state["task"]
    task["draws"].copy_(torch.arange(len(starts))), task["place"].copy_(torch.tensor(starts))
    task["target"].copy_((task["place"] // 14 + env._steps[table[:, 0]]) % 6)
    task["sign"].copy_(1 + table[:, 0])


def groups() -> list:
    """The recorded episodes by their options."""
    found: dict[str, list[dict]] = {}
    for episode in EPISODES:
        found.setdefault(str(episode["options"]), []).append(episode)
    return [pytest.param(episodes, id=name) for name, episodes in found.items()]


def longest_done(completed: int, first: int) -> int:
    """The longest list of which all was carried out, by how many commands were."""
    length = first
    while completed >= length:
        completed, length = completed - length, length + 1
    return 0 if length == first else length - 1


@pytest.mark.parametrize("episodes", groups())
def test_the_package_plays_and_looks_the_same(episodes: list[dict]) -> None:
    """Every pixel of every row, by a checksum, rewards and ends; see `record_endless_mortar_mayhem.py`."""
    env = EndlessMortarMayhem(len(episodes), **episodes[0]["options"])
    put(env, [episode["start"] for episode in episodes], [episode["commands"] for episode in episodes])
    pictures, going = recorded.observe(env), list(range(len(episodes)))
    for number in range(max(len(episode["actions"]) for episode in episodes) + 1):
        for index in going:
            assert recorded.checksum(pictures[index]) == episodes[index]["pictures"][number], (index, number)
        going = [index for index in going if number < len(episodes[index]["actions"])]
        if not going:
            break
        actions = [divmod(int(episode["actions"][number : number + 1] or 0), 3) for episode in episodes]
        row = env.step(torch.tensor(actions))
        pictures, found = row["obs"], env.report()
        for index in going:
            episode, is_last = episodes[index], number + 1 == len(episodes[index]["actions"])
            assert row["reward"][index].item() == np.float32(episode["rewards"][number])
            assert row["is_last"][index].item() == is_last
            if is_last:
                is_late = number + 1 == env.max_episode_steps
                completed = episode["commands_completed"]
                assert row["is_terminal"][index].item() != is_late
                assert found["commands_completed"][index].item() == completed
                # The package also counts the first list, and one whose last command failed.
                first = env.schedule.initial_commands
                assert found["max_command_sequence"][index].item() == longest_done(completed, first)
                assert 0 <= episode["max_command_sequence"] - longest_done(completed, first) <= first


def test_what_was_recorded() -> None:
    """More than 11,000 steps: lists of up to eight commands, both kinds of death, and places beyond all borders."""
    assert sum(len(one["actions"]) for one in EPISODES) == 11_312
    assert max(one["max_command_sequence"] for one in EPISODES) == 8
    died = [len(one["actions"]) for one in EPISODES if not one["options"]]
    assert 22 in died and any(
        (length - 22) % 4 for length in died
    )  # late, and between two explosions' beginnings
    places = []
    for episodes in (one.values[0] for one in groups()):
        env = EndlessMortarMayhem(len(episodes), **{**episodes[0]["options"], "observation": "symbols"})
        put(env, [one["start"] for one in episodes], [one["commands"] for one in episodes])
        for number in range(min(len(one["actions"]) for one in episodes)):
            row = env.step(torch.tensor([divmod(int(one["actions"][number]), 3) for one in episodes]))
            places.append(row["obs"][:, :2] - 3)
    assert torch.cat(places).unique().tolist()[:3] == [-3, -2, -1]
    assert torch.cat(places).unique().tolist()[-4:] == [84, 85, 86, 87]


def test_an_episode_by_hand() -> None:
    """Right, then again right and down, carried out from a cell at the right border."""
    env = EndlessMortarMayhem(1, observation="symbols")
    put(env, [[78, 35]], [[0, 1, 4]])
    assert recorded.observe(env).tolist() == [[81, 38, 0, 1, 0, 0]]
    seen = [row["obs"][0].tolist() for row in recorded.follow(env, [RIGHT] * 8)]
    assert [one[3] for one in seen] == [1, 1, 0, 0, 0, 0, 0, 0]  # the sign
    # Rows on which nothing can be done, then three pixels a row, and around.
    assert [one[0] - 3 for one in seen] == [78, 78, 78, 81, 84, 87, -3, 0]
    assert {one[2] for one in seen[3:]} == {6} and {one[1] - 3 for one in seen} == {35}
    rows = list(recorded.follow(env, [RIGHT, *[STAY] * 13]))
    assert [row["reward"].item() for row in rows] == [0] * 13 + [np.float32(0.1)]
    assert rows[-1]["obs"][0].tolist() == [6, 38, 6, 0, 1, 3]  # all cells but (0, 2) explode
    rows = list(recorded.follow(env, [DOWN] * 4))
    assert [row["obs"][0, 3].item() for row in rows] == [2, 2, 2, 0]  # the second command
    assert (torch.cat([row["obs"] for row in rows])[:, [0, 1, 4, 5]] == torch.tensor([6, 38, 1, 3])).all()
    rows = list(recorded.follow(env, [*[STAY] * 6, *[RIGHT] * 5, *[STAY] * 13]))
    assert [row["obs"][0, 4].item() for row in rows] == [1] * 5 + [0] * 18 + [2]
    assert rows[-1]["reward"].item() == np.float32(0.1) and rows[-1]["obs"][0, 3].item() == 0
    rows = list(recorded.follow(env, [*[STAY] * 6, *[DOWN] * 5, *[STAY] * 13]))
    assert rows[-1]["reward"].item() == np.float32(0.1) and env.report()["max_command_sequence"].item() == 2
    rows = list(recorded.follow(env, [*[STAY] * 9, LEFT, *[STAY] * 18]))
    assert rows[-1]["is_terminal"].item() and rows[-1]["reward"].item() == 0
    assert env.state["time"].item() == 22 + 28 + 24 + 28 and env.report()["commands_completed"].item() == 3


def towards(place: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """The actions that lead to cells, the short way around."""
    way = (cell * 14 + 7 - place + 42) % 84 - 42
    return torch.where(way.abs() <= 3, 0, torch.where(way < 0, 1, 2))


def test_who_remembers_all_earns_the_best_return_and_what_is_hidden_was_shown() -> None:
    env = EndlessMortarMayhem(32, max_steps=500, observation="symbols")
    assert env.best_return == pytest.approx(0.1 * 20)
    row, signs, total = env.reset(1), [], torch.zeros(32)
    while not row["is_last"].any():
        found = env.hidden()
        signs.append(row["obs"][:, 3])
        ago = found["command"].rows_ago
        seen = torch.stack(signs, 1).gather(1, (len(signs) - 1 - ago)[:, None]).squeeze(1)
        assert torch.equal(seen, 1 + found["command"].value)
        cell, is_shown = env.state["task", "target"], found["target"].is_shown
        assert torch.equal(found["target"].value, cell[:, 0] * 6 + cell[:, 1])
        assert torch.equal(is_shown, row["obs"][:, 4] > 0)
        assert torch.equal(row["obs"][is_shown, 4:], 1 + cell[is_shown])
        row = env.step(towards(env.state["task", "place"], cell))
        total += row["reward"]
    assert not row["is_terminal"].any() and env.state["time"][0] == 500
    torch.testing.assert_close(total, torch.full((32,), env.best_return))
    assert env.report()["max_command_sequence"].unique().tolist() == [5]


@pytest.mark.parametrize("first, steps", [(1, [21, 22, 49, 50, 73, 74, 101]), (2, [25, 26, 49, 50, 77, 78])])
def test_explosions_are_counted(first: int, steps: list[int]) -> None:
    """One after 22 actions, two more from 50 on; with two commands at first, after 26, 50 and 78."""
    counts = [EndlessSchedule(first, 3, 1, 18, 6).explosions_within(number) for number in steps]
    assert counts == [0, 1, 1, 2, 2, 3, 3][: len(steps)]


def test_commands_and_places_are_drawn_evenly() -> None:
    env = EndlessMortarMayhem(36_000, observation="symbols")
    row = env.reset(0)
    assert (torch.bincount(row["obs"][:, 3])[1:] - 4000).abs().max() < 250
    cell, beside = (row["obs"][:, :2] - 3) // 14, (row["obs"][:, :2] - 3) % 14 - 7
    assert (torch.bincount(cell[:, 0] * 6 + cell[:, 1]) - 1000).abs().max() < 130
    assert beside.unique().tolist() == [-2, -1, 0, 1]
    assert (torch.bincount((beside[:, 0] + 2) * 4 + beside[:, 1] + 2) - 2250).abs().max() < 190
    task = env.state["task"]
    later = env._command(task["draws"], torch.ones_like(task["clock"]))
    assert (torch.bincount(row["obs"][:, 3] * 9 + later - 9) - 36_000 / 81).abs().max() < 90


def test_random_play_is_worth_what_is_said() -> None:
    env = make_env("memory_gym/endless_mortar_mayhem", 20_000, {"observation": "symbols"})
    env.reset(3)
    check_worth_chance(env)
    assert env.chance_return == make_env("memory_gym/endless_mortar_mayhem", 1).chance_return == 0.0096
    assert EndlessMortarMayhem(1, explosion_delay=9).chance_return is None
    longer = make_env("memory_gym/endless_mortar_mayhem", 1, {"max_steps": 60})
    assert longer.chance_return is None and longer.best_return == pytest.approx(0.2)
    trials = make_env("memory_gym/endless_mortar_mayhem", 1, trials=2)
    assert trials.max_episode_steps == math.inf and trials.chance_return == 2 * 0.0096


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(MAKERS)


def test_pictures_show_what_is_hidden() -> None:
    env = EndlessMortarMayhem(2)
    row = env.reset(0)
    picture = env.render(1)
    differs = (picture[::5, ::5] != row["obs"][1].transpose(0, 1).numpy()).any(2)
    x, y = (14 * env.state["task", "target"][1]).tolist()
    assert picture.shape == (420, 420, 3) and differs[y : y + 14, x : x + 14].sum() == differs.sum() > 14


@pytest.mark.parametrize(
    "given, rule",
    [
        (
            {"allowed_commands": 3},
            "allowed_commands of EndlessMortarMayhem must be a whole number from 4 to 9",
        ),
        ({"agent_speed": 0.5}, "agent_speed of EndlessMortarMayhem must be a number from 1 to 84"),
        ({"max_steps": 0}, "max_steps of EndlessMortarMayhem must be a whole number of at least 1"),
    ],
)
def test_wrong_options_are_refused(given: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make_env("memory_gym/endless_mortar_mayhem", 1, given)
