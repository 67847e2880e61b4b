"""The ballet beside its rules stated once more, its pictures by hand, its best and random play."""

from functools import partial

import numpy as np
import pytest
import recorded
import torch
from ballet_rules import PlainBallet
from contract import check_worth_chance, random_action
from native_checks import native_tests

from engram.envs import make_env
from engram.envs.ballet import Ballet
from engram.envs.ballet.dances import _MOVES, DANCES
from engram.envs.ballet.pictures import COLORS, DANCERS, NUM_SPRITES, SHAPES, make_sprites

MAKERS = {"two": partial(Ballet, delay=1), "eight": partial(Ballet, num_dancers=8, delay=2)}
CHOICES = {(2, 16): 62, (4, 16): 124, (8, 16): 248, (2, 48): 126, (4, 48): 252, (8, 48): 504}


def plain(env: Ballet, index: int) -> PlainBallet:
    """The same episode by the other statement of the rules."""
    task = env.state["task"][index]
    return PlainBallet(
        places=task["place"].tolist(),
        dances=[_MOVES[DANCES[dance]].split() for dance in task["dance"].tolist()],
        target=int(task["target"]),
        delay=env.period - 15,
        limit=env.max_episode_steps,
    )


def places_of(env: Ballet, index: int) -> list[list[int]]:
    """Where the picture shows every dancer, found by the colours of its cell, from the room's corner."""
    cells = env._cells(dict(env.state["task"].items()), env.state["time"])[index]
    agent = env.state["task", "agent"][index]
    found = [(cells == sprite).nonzero() for sprite in env.state["task", "sprite"][index]]
    return [(place[0] + agent - 5).tolist() if len(place) else [] for place in found]


@pytest.mark.parametrize("num_dancers, delay", CHOICES)
def test_the_same_rows_as_by_the_plain_rules(num_dancers: int, delay: int) -> None:
    """Places, instruction, reward and ends; 5 episodes, each of 62 to 1,024 steps."""
    env = make_env(f"ballet/{num_dancers}_delay{delay}", 5)
    generator = torch.Generator().manual_seed(num_dancers)
    env.reset(delay)
    rules, going, steps = [plain(env, index) for index in range(5)], [True] * 5, 0
    assert env.choice == CHOICES[num_dancers, delay]
    while any(going):
        action = random_action(env, generator)
        row = env.step(action)
        for index in range(5):
            if not going[index]:
                continue
            reward, terminated, truncated = rules[index].step(int(action[index]))
            assert row["reward"][index] == reward
            assert row["is_terminal"][index] == terminated and row["is_last"][index] == (
                terminated or truncated
            )
            named = int(env.state["task", "dance"][index, rules[index].target]) + 1
            assert row["obs", "instruction"][index] == (named if rules[index].may_choose else 0)
            assert env.state["task", "agent"][index].tolist() == rules[index].agent
            seen = zip(places_of(env, index), rules[index].places, strict=True)
            assert all(place in ([], at) for place, at in seen)
            going[index] = not (terminated or truncated)
            steps += 1
    assert steps > 5 * CHOICES[num_dancers, delay]


@pytest.mark.parametrize(
    "episode", recorded.read("ballet")["episodes"], ids=lambda episode: f"{len(episode['dancers'])} dancers"
)
def test_the_original_plays_and_looks_the_same(episode: dict) -> None:
    """Every pixel of every row, by a checksum; recorded by `record_ballet.py`."""
    dancers = episode["dancers"]
    env = Ballet(1, num_dancers=len(dancers), delay=episode["delay"])
    env.reset(0)
    task = env.state["task"]
    task["place"][0] = torch.tensor([dancer["place"] for dancer in dancers])
    task["dance"][0] = torch.tensor([DANCES.index(dancer["dance"]) for dancer in dancers])
    looks = [SHAPES.index(one["shape"]) * len(COLORS) + list(COLORS).index(one["color"]) for one in dancers]
    task["sprite"][0] = DANCERS + torch.tensor(looks)
    task["target"].fill_(episode["target"])
    assert recorded.checksum(recorded.observe(env)["image"]) == episode["pictures"][0]
    for number, row in enumerate(recorded.follow(env, episode["actions"])):
        assert recorded.checksum(row["obs", "image"]) == episode["pictures"][number + 1], number
        named = int(row["obs", "instruction"])
        assert ("watch", *DANCES)[named] == episode["instructions"][number + 1]
        is_end = number == len(episode["actions"]) - 1
        assert row["is_last"].item() == is_end and row["reward"].item() == (
            episode["reward"] if is_end else 0
        )


def test_pictures_by_hand() -> None:
    sprites = make_sprites()
    assert sprites.shape == (NUM_SPRITES, 9, 9, 3) and NUM_SPRITES == 3 + 15 * 19
    ex = sprites[DANCERS + SHAPES.index("ex") * 19 + list(COLORS).index("orange")]
    assert ex[0, :, 0].tolist() == [255, 255, 0, 0, 0, 0, 0, 255, 255] and ex[4, 4].tolist() == [255, 165, 0]
    tee = sprites[DANCERS + SHAPES.index("tee") * 19][..., 0] > 0
    assert tee.sum(1).tolist() == [9] * 3 + [3] * 6
    env = make_env("ballet/2_delay16", 2)
    image = env.reset(0)["obs", "image"]
    assert (image[:, 45:54, 45:54] == 255).all() and (image[:, :9] == 40).all()


def test_dancers_differ_and_are_drawn_evenly() -> None:
    env = Ballet(20_000, num_dancers=4, delay=1)
    state, _ = env.reset_fn(0)
    task = state["task"]
    for key, kinds in (("dance", 13), ("sprite", None)):
        assert (task[key].sort(1).values.diff(dim=1) > 0).all()
        if kinds:
            assert (torch.bincount(task[key][:, 0]) - 20_000 / kinds).abs().max() < 200
    place = task["place"][..., 0] * 11 + task["place"][..., 1]
    assert (place.sort(1).values.diff(dim=1) > 0).all() and len(place.unique()) == 8
    assert (torch.bincount(task["target"]) - 5000).abs().max() < 250


def test_who_remembers_finds_the_dancer() -> None:
    env = make_env("ballet/4_delay16", 16)
    row = env.reset(3)
    while not row["is_last"].any():
        at = env.state["task", "place"].gather(1, env.state["task", "target"][:, None, None].expand(-1, 1, 2))
        way = (at.squeeze(1) - env.state["task", "agent"]).sign()
        # Around the dancers between: no place is on the way to another from the middle.
        action = (way[:, None] == env._steps).all(2).long().argmax(1)
        row = env.step(action)
    assert (row["reward"] == env.best_return).all() and row["is_terminal"].all()
    assert (env.report()["success_rate"] == 1).all()


@pytest.mark.parametrize("name", ["ballet/2_delay16", "ballet/8_delay16"])
def test_random_play_is_worth_chance(name: str) -> None:
    env = make_env(name, 1000)
    env.reset(0)
    env.state["time"].fill_(env.choice)  # nothing can be done before
    env._cells = no_pictures
    check_worth_chance(env)


def no_pictures(task: dict, time: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(time), 1, 1, dtype=torch.int64)


test_what_holds_for_every_native_environment, test_one_step_on_cuda = native_tests(MAKERS)


def test_a_picture_frames_the_dancer_once_it_is_asked_for() -> None:
    env = Ballet(1, delay=1)
    row = env.reset(0)
    first = env.render(0)
    assert first.shape == (396, 396, 3)
    assert np.array_equal(first[::4, ::4], row["obs", "image"][0].numpy())
    for _ in range(env.choice):
        row = env.step(torch.tensor([0]))
    framed = env.render(0)[::4, ::4] != row["obs", "image"][0].numpy()
    assert 0 < framed.any(2).sum() <= 81
