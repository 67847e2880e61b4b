"""Seeds, masks, pictures and mistakes of the Gymnasium adapter."""

import builtins

import gymnasium
import numpy as np
import pytest
import torch
from contract import play
from toy_envs import Masked, Painted, Sampler, register

from engram.common.random import hash_to_int
from engram.envs import GymnasiumEnv


@pytest.mark.parametrize("id", ["CartPole-v1", "popgym:popgym-MineSweeperEasy-v0"])
@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_an_environments_episodes_do_not_depend_on_its_siblings(id: str, vectorization: str) -> None:
    few, many = GymnasiumEnv(id, 3, vectorization=vectorization), GymnasiumEnv(id, 5)
    for seed in (0, 1):
        rows, others = [few.reset(seed)], [many.reset(seed)]
        generator = torch.Generator().manual_seed(0)
        for _ in range(60):
            shape = (5, 2) if id.startswith("popgym") else (5,)
            action = torch.randint(2, shape, generator=generator)
            rows.append(few.step(action[:3]))
            others.append(many.step(action))
        for row, other in zip(rows, others, strict=True):
            assert all(torch.equal(value, other[key][:3]) for key, value in row.items(True, True))
    few.close()


def test_the_seed_decides_and_every_episode_differs() -> None:
    env = GymnasiumEnv("CartPole-v1", 2)
    first, again, other = play(env, 0, 80), play(env, 0, 80), play(env, 1, 80)
    assert all(torch.equal(a["obs"], b["obs"]) for a, b in zip(first, again, strict=True))
    starts = torch.cat([row["obs"][row["is_first"]] for row in first + other])
    assert len(starts) > 6 and len(torch.unique(starts, dim=0)) == len(starts)


def test_each_reset_is_the_environments_own_with_the_derived_seed() -> None:
    env = GymnasiumEnv("CartPole-v1", 2, env_index_offset=5)
    rows = play(env, 11, 80)
    starts = [row["obs"][1] for row in rows if row["is_first"][1]]
    alone = gymnasium.make("CartPole-v1")
    for episode, start in enumerate(starts):
        expected, _ = alone.reset(seed=hash_to_int(11, "episode", 6, episode))
        assert torch.equal(start, torch.as_tensor(expected))


def test_taxi_gives_its_action_mask() -> None:
    env = GymnasiumEnv("Taxi-v4", 3)
    rows = play(env, 0, 300)
    alone = gymnasium.make("Taxi-v4").unwrapped
    for row in rows:
        assert row["action_mask"].dtype == torch.bool and row["action_mask"].shape == (3, 6)
        for obs, mask in zip(row["obs"], row["action_mask"], strict=True):
            assert mask.tolist() == alone.action_mask(int(obs)).astype(bool).tolist()


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_masks_of_parts_are_concatenated(vectorization: str) -> None:
    env = GymnasiumEnv(register(Masked), 2, vectorization=vectorization)
    rows = [env.reset(0), env.step(torch.zeros(2, 2, dtype=torch.int64))]
    env.close()
    assert all(row["action_mask"].tolist() == [[True, False, False, True, True]] * 2 for row in rows)


def test_masks_that_come_and_go() -> None:
    no_action = torch.zeros(2, 2, dtype=torch.int64)
    env = GymnasiumEnv(register(Masked), 2, kwargs={"when": "first"})
    assert not env.reset(0)["action_mask"].all()
    assert env.step(no_action)["action_mask"].all()  # no mask allows everything
    env = GymnasiumEnv(register(Masked), 2, kwargs={"when": "later"})
    env.reset(0)
    with pytest.raises(ValueError, match="at its first reset too, but gymnasium/toy/Masked-v0 gave"):
        env.step(no_action)
    env = GymnasiumEnv(register(Masked), 2, kwargs={"when": "wrong"})
    with pytest.raises(ValueError, match=r"must have 5 entries.* its shape is \(4,\)"):
        env.reset(0)


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_pictures_are_of_the_environment_asked_for(vectorization: str) -> None:
    env = GymnasiumEnv(
        register(Painted), 2, render_mode="rgb_array", vectorization=vectorization, env_index_offset=3
    )
    env.reset(0)
    env.step(torch.zeros(2, dtype=torch.int64))
    frame = env.render(1)
    assert frame.shape == (4, 6, 3) and frame.dtype == np.uint8 and (frame == 1).all()
    env.close()
    with pytest.raises(ValueError, match="Videos need render_mode='rgb_array'"):
        GymnasiumEnv(register(Painted), 2).render(0)


def test_time_limit_and_name() -> None:
    env = GymnasiumEnv("CartPole-v1", 1, max_episode_steps=4)
    rows = play(env, 0, 10)
    assert [row["is_last"].item() for row in rows] == [False] * 4 + [True] + [False] * 4 + [True, False]
    assert not any(row["is_terminal"].item() for row in rows)
    assert env.name == "gymnasium/CartPole-v1"
    assert GymnasiumEnv("popgym:popgym-RepeatFirstEasy-v0", 1).name == "gymnasium/popgym-RepeatFirstEasy-v0"


@pytest.mark.parametrize(
    "id, kwargs, sentence",
    [
        ("CartPol-v1", {}, r"'CartPol-v1' is not: did you mean CartPole-v1"),
        ("Zzzzz-v1", {}, r"'Zzzzz-v1' is not: put its package first"),
        ("nowhere:X-v0", {}, r"needs the package 'nowhere'.* run pip install 'nowhere'\.$"),
        ("CartPole-v1", {"size": 3}, r"options of environment 'CartPole-v1' must be.*\{'size': 3\}"),
        ("Taxi-v3", {}, r"must be a current one, but got 'Taxi-v3'.*Taxi-v4"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mistakes_are_one_sentence(id: str, kwargs: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        GymnasiumEnv(id, 2, kwargs=kwargs)
    assert "\n" not in str(raised.value)
    with pytest.raises(
        ValueError, match="vectorization of GymnasiumEnv must be one of sync, async, but got 'threads'"
    ):
        GymnasiumEnv("CartPole-v1", 2, vectorization="threads")


def test_a_missing_dependency_of_an_environment(monkeypatch) -> None:
    def refuse(space):
        raise gymnasium.error.DependencyNotInstalled("Box2D is not installed, run `pip install box2d`")

    monkeypatch.setattr(Sampler, "__init__", refuse)
    with pytest.raises(ValueError, match="needs a package that is not installed: Box2D is not installed"):
        GymnasiumEnv(register(Sampler), 2)


def test_nothing_is_imported_for_a_plain_id(monkeypatch) -> None:
    real_import = builtins.__import__

    def watch(name, *arguments, **keywords):
        assert name != "popgym"
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", watch)
    GymnasiumEnv("CartPole-v1", 1)
