"""What clients of Gymnasium expect of every registered native, alone and as a vector."""

import copy
import itertools
import math
import pickle
import random

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from native_ids import FEW, MAKERS, options

from engram import envs
from engram.envs.numpy_rows import observation_to_numpy

SOME = pytest.mark.parametrize("id", FEW)
MODES = pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec], ids=["single", "vector"])


def equal(left, right) -> bool:
    """Whether observations or infos are the same, in dtypes too."""
    if isinstance(left, dict):
        return list(left) == list(right) and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    if left is None or right is None:
        return left is right
    left, right = np.asarray(left), np.asarray(right)
    if left.dtype == object and right.dtype == object:
        return left.shape == right.shape and all(map(equal, left.flat, right.flat))
    return left.dtype == right.dtype and np.array_equal(left, right)


def test_the_ids_are_those_of_popgym() -> None:
    for name, task in envs.TASKS.items():
        if task.general and name.startswith("popgym/"):
            assert f"engram/{task.package.id.removeprefix('popgym:')}" in gymnasium.registry
    assert "engram/popgym-VelocityOnlyCartpoleHard-v0" in MAKERS
    env = gymnasium.make("engram/popgym-VelocityOnlyCartPoleHard-v0")  # as the class is spelled
    assert env.unwrapped.native.name == "popgym/velocity_only_cart_pole_hard"


@MODES
def test_a_constructor_answers_an_unknown_option_as_python_does(make) -> None:
    for id in MAKERS:
        with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip'"):
            make(id, **options(id), frameskip=4)
    for id in FEW:
        assert make(id, render_mode=None, **options(id)).render_mode is None
    with pytest.raises(ValueError, match="popgym/repeat_previous_easy takes no options, but got kwargs"):
        make("engram/popgym-RepeatPreviousEasy-v0", k=3)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'render_mode'"):
        make("engram/popgym-RepeatPreviousEasy-v0", render_mode="rgb_array")


def batch_of_one(space: gymnasium.Space, obs):
    empty = gymnasium.vector.utils.create_empty_array(space, 1)
    return gymnasium.vector.utils.concatenate(space, [obs], empty)


@SOME
def test_a_single_one_plays_what_a_native_of_one_plays(id: str) -> None:
    env, native = gymnasium.make(id, **options(id)), MAKERS[id](num_envs=1, **options(id))
    env.action_space.seed(1)
    obs, _ = env.reset(seed=7)
    row, length, longest = native.reset(7), 0, env.spec.max_episode_steps or math.inf
    for _ in range(70):
        assert env.observation_space.contains(obs)
        expected = observation_to_numpy(env.observation_space, row["obs"])
        assert equal(batch_of_one(env.observation_space, obs), expected)
        action = env.action_space.sample()
        obs, reward, terminated, truncated, _ = env.step(action)
        row = native.step(torch.as_tensor(np.asarray([action])), in_space=True)
        assert (reward, terminated, terminated or truncated) == (
            row["reward"],
            row["is_terminal"],
            row["is_last"],
        )
        assert reward != 0 or math.copysign(1, reward) == 1
        length += 1
        assert length < longest or (length == longest and (terminated or truncated))
        if terminated or truncated:
            with pytest.raises(ResetNeeded, match=r"has ended: call reset\(\)"):
                env.step(action)
            (obs, _), length = env.reset(), 0
            row = native.step(torch.zeros_like(row["prev_action"]), in_space=True)


def generators(spaces) -> list:
    states = [random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())]
    return [*states, *(str(space.np_random.bit_generator.state) for space in spaces)]


@MODES
def test_resets_and_steps_draw_from_no_generator_of_the_user(make) -> None:
    for id in FEW:
        env = make(id, **options(id))
        env.action_space.seed(5)
        action = env.action_space.sample()
        spaces = [env.action_space, env.observation_space]
        before = generators(spaces)
        env.reset(), env.reset(seed=3), env.reset(), env.step(action)
        assert generators(spaces) == before, id


def parts(space) -> list:
    inner = getattr(space, "spaces", [])
    inner = inner.values() if isinstance(inner, dict) else inner
    return [space, *(part for nested in inner for part in parts(nested))]


def test_no_two_spaces_are_one_object() -> None:
    for id in FEW:
        single = gymnasium.make(id, **options(id)).unwrapped
        vector = gymnasium.make_vec(id, 2, **options(id))
        every = [
            part
            for space in (
                *(single.native.single_observation_space, single.native.single_action_space),
                *(single.observation_space, single.action_space),
                *(vector.single_observation_space, vector.single_action_space),
                *(vector.observation_space, vector.action_space),
            )
            for part in parts(space)
        ]
        assert not any(one is other for one, other in itertools.combinations(every, 2)), id


@SOME
def test_pickles_and_copies_go_on_alike(id: str) -> None:
    for make in (gymnasium.make, gymnasium.make_vec):
        env = make(id, **options(id))
        env.reset(seed=2)
        action = env.action_space.sample()
        if np.any(env.step(action)[2:4]):  # a mine under the first tile
            env.reset(seed=3)
        others = pickle.loads(pickle.dumps(env)), copy.deepcopy(env)
        expected = env.step(action)
        assert all(equal(other.step(action)[:2], expected[:2]) for other in others)


def test_seeds_of_any_size_and_kind() -> None:
    env = gymnasium.make("engram/popgym-MultiarmedBandit-v0", num_bandits=3)
    drawn = {
        seed: env.reset(seed=seed)[1]["bandits"].tolist() for seed in (3, 2**63 - 1, 2**63, 2**64 + 3, 2**200)
    }
    assert len(set(map(str, drawn.values()))) == 5
    assert env.reset(seed=np.int64(3))[1]["bandits"].tolist() == drawn[3]
    vector = gymnasium.make_vec("engram/popgym-MultiarmedBandit-v0", 3, num_bandits=3)
    assert vector.reset(seed=[2**63, 3, 2**200])[1]["bandits"].tolist() == [
        drawn[2**63],
        drawn[3],
        drawn[2**200],
    ]
    for seed in (-1, "a"):
        with pytest.raises(gymnasium.error.Error, match="Seed must be"):
            env.reset(seed=seed)


def test_a_step_needs_a_reset() -> None:
    with pytest.raises(ResetNeeded, match=r"has not begun: call reset\(\)"):
        gymnasium.make("engram/TMaze-v0").unwrapped.step(0)
    with pytest.raises(ResetNeeded, match="none has begun"):
        gymnasium.make_vec("engram/TMaze-v0", 2).step([0, 0])


@pytest.mark.parametrize(
    "id, given, longest",
    [
        ("engram/RecallFirst-v0", {"delay": 30}, 31),
        ("engram/MemoryChain-v0", {}, 11),
        ("engram/RecallPairs-v0", {"num_pairs": 6}, 12),
        ("engram/popgym-AutoencodeHard-v0", {}, 311),
        ("engram/Endless-MortarMayhem-v0", {}, None),
        ("engram/Endless-MortarMayhem-v0", {"max_steps": 9}, 9),
        ("engram/popgym-ConcentrationEasy-v0", {}, 104),
        ("engram/popgym-MineSweeperEasy-v0", {}, 14),
        ("engram/popgym-LabyrinthEscapeEasy-v0", {}, 1023),
        ("engram/popgym-PositionOnlyPendulumHard-v0", {}, 100),
    ],
)
def test_the_spec_tells_the_longest_episode(id: str, given: dict, longest: int) -> None:
    assert gymnasium.make(id, **given).spec.max_episode_steps == longest
    assert gymnasium.make_vec(id, 2, **given).spec.max_episode_steps == longest
    assert gymnasium.make(id, max_episode_steps=5, **given).spec.max_episode_steps == 5


def test_infos_are_those_of_the_originals() -> None:
    env = gymnasium.make("engram/popgym-CountRecallEasy-v0")
    obs, infos = env.reset(seed=1)
    counts = np.zeros(2, dtype=np.int64)
    for _ in range(20):
        counts[obs[0]] += 1
        assert infos["counts"].tolist() == counts.tolist()
        obs, _, _, _, infos = env.step(0)
    env = gymnasium.make("engram/popgym-LabyrinthExploreEasy-v0")
    _, infos = env.reset(seed=1)
    maze = infos["maze"]
    y, x = (int(place[0]) for place in (maze == 2).nonzero())
    moves = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
    way = next(
        way for way, (x, y) in enumerate(moves) if 0 <= min(x, y) and max(x, y) < 11 and maze[y, x] == 0
    )
    assert list(infos) == ["maze"] and maze.shape == (11, 11)
    assert env.step(way)[4]["position"].tolist() == list(moves[way])
