"""Continuing from a state equals never having stopped; where that cannot be, it is said."""

import json
import tracemalloc
import warnings
from typing import Any

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from contract import assert_equal, play, random_action
from toy_envs import Echo, Masked, Sampler, ScriptedNative, Unreproducible, register

from engram.envs import GymnasiumEnv, RecallFirst, VectorEnv, make_env
from engram.envs.episode_log import EpisodeLog, stored_dtype


def package(kind: str) -> dict[str, str]:
    return {"backend": "package", "vectorization": kind}


MAKERS = {
    "recall_first": lambda kind: RecallFirst(4, delay=3),
    "scripted": lambda kind: ScriptedNative(4),
    "CartPole": lambda kind: GymnasiumEnv("CartPole-v1", 4, vectorization=kind),
    "time_limit": lambda kind: GymnasiumEnv("CartPole-v1", 4, vectorization=kind, max_episode_steps=7),
    "pendulum": lambda kind: make_env("popgym/noisy_position_only_pendulum_easy", 4, **package(kind)),
    "mine_sweeper": lambda kind: make_env("popgym/mine_sweeper_easy", 4, **package(kind)),
    "labyrinth": lambda kind: make_env("popgym/labyrinth_explore_easy", 4, **package(kind)),
    "nested": lambda kind: GymnasiumEnv(
        register(Sampler),
        4,
        kwargs={
            "space": gs.Dict({"a": gs.Tuple((gs.Discrete(3), gs.Box(0, 255, (2, 2), "uint8")))}),
            "action_space": gs.Box(-1, 1, (2,)),
        },
        vectorization=kind,
    ),
    "masked": lambda kind: GymnasiumEnv(register(Masked), 4, vectorization=kind),
}


def through_files(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint does: tensors by flat name, the rest as JSON."""
    tensors: dict[str, torch.Tensor] = {}

    def strip(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            assert all(isinstance(key, str) and "." not in key for key in value)
            return {key: strip(part, f"{name}.{key}") for key, part in value.items()}
        if isinstance(value, torch.Tensor):
            tensors[name] = value.clone()
            return {"tensor": name}
        return value

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return (
                tensors[value["tensor"]]
                if "tensor" in value
                else {key: fill(part) for key, part in value.items()}
            )
        return value

    return fill(json.loads(json.dumps(strip(state, "state"))))


NATIVE = ["recall_first", "scripted"]
CASES = [(name, "native", steps) for name in NATIVE for steps in (0, 1, 2, 3, 40)]
CASES += [(name, "sync", steps) for name in MAKERS if name not in NATIVE for steps in (0, 1, 2, 40)]
CASES += [(name, "async", steps) for name in MAKERS if name not in NATIVE for steps in (0, 40)]


@pytest.mark.filterwarnings("ignore:Maze environments:DeprecationWarning")
@pytest.mark.parametrize("name, kind, steps", CASES)
def test_continued_equals_uninterrupted(name: str, kind: str, steps: int) -> None:
    env, other = MAKERS[name](kind), MAKERS[name](kind)
    rows = play(env, 5, steps)
    state = through_files(env.state_dict())
    other.reset(99)  # a used environment forgets what it did
    assert_equal(other.load_state_dict(state), rows[-1])
    assert other.resume_is_exact
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        action = random_action(env, generator)
        assert_equal(env.step(action), other.step(action))
    env.close(), other.close()


def test_a_state_does_not_change_afterwards() -> None:
    for env in (MAKERS["CartPole"]("sync"), MAKERS["recall_first"]("sync")):
        play(env, 5, 10)
        state = env.state_dict()
        before = json.dumps(state, default=lambda tensor: tensor.tolist())
        env.step(torch.zeros(4, dtype=torch.int64))
        assert json.dumps(state, default=lambda tensor: tensor.tolist()) == before


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_environment_that_is_not_reproducible_is_named(kind: str) -> None:
    def make() -> VectorEnv:
        return GymnasiumEnv(register(Unreproducible), 6, vectorization=kind)

    env, other = make(), make()
    rows = play(env, 0, 15)
    state = env.state_dict()
    with pytest.warns(UserWarning, match="toy/Unreproducible-v0 is not reproducible") as warned:
        row = other.load_state_dict(state)
    assert len(warned) == 1 and not other.resume_is_exact
    restarted = row["is_first"]
    assert 0 < restarted.sum() < 6
    named = str(warned[0].message).partition("(index ")[2].partition(")")[0]
    assert named == ", ".join(str(index) for index in restarted.nonzero().flatten().tolist())
    assert torch.equal(row["obs"][~restarted], rows[-1]["obs"][~restarted])
    assert not row["prev_action"][restarted].any()
    for _ in range(14):  # the others continue exactly, to the end of their episodes
        action = torch.ones(6, dtype=torch.int64)
        expected, row = env.step(action), other.step(action)
        assert torch.equal(row["obs"][~restarted], expected["obs"][~restarted])
    env.close(), other.close()


def test_an_episode_that_ends_too_soon_begins_anew() -> None:
    # Episodes of 20 to 39 actions, so some replays end early, and their last step must not be made.
    # Each of 16 is caught with probability 1/4 or more: that none is in 5 rounds has one of 1e-10.
    env, action = (
        GymnasiumEnv(register(Unreproducible), 16, kwargs={"always": True, "blank": 0.5}),
        torch.ones(16).long(),
    )
    caught = 0
    for _ in range(5):
        env.reset(0)
        for _ in range(29):
            last = env.step(action)["is_last"]
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            row = env.load_state_dict(env.state_dict())
        anew = int((row["is_first"] & ~last).sum())
        caught += len(warned)
        assert env.resume_is_exact == (not warned) and (anew > 0 or not warned)
        for _ in range(60):
            env.step(action)
    assert caught


def test_nan_is_equal_to_nan() -> None:
    env = GymnasiumEnv(register(Unreproducible), 2, kwargs={"blank": float("nan")})
    env.reset(0)
    env.step(torch.ones(2, dtype=torch.int64))
    env.load_state_dict(env.state_dict())
    assert env.resume_is_exact


def test_everything_unreproducible_begins_anew() -> None:
    env = GymnasiumEnv(register(Unreproducible), 8, kwargs={"always": True})
    play(env, 0, 15)
    for _ in range(10):
        with pytest.warns(UserWarning, match=r"index 0, 1, 2, 3, 4, 5, 6, 7\)"):
            row = env.load_state_dict(env.state_dict())
        assert row["is_first"].all()
        for _ in range(30):
            row = env.step(torch.ones(8, dtype=torch.int64))


def test_a_state_of_another_environment_is_refused() -> None:
    state = MAKERS["CartPole"]("sync")
    state.reset(0)
    state = state.state_dict()
    with pytest.raises(ValueError, match="num_envs should be 3, but the state has 4"):
        GymnasiumEnv("CartPole-v1", 3).load_state_dict(state)
    with pytest.raises(ValueError, match="id should be 'Acrobot-v1', but the state has 'CartPole-v1'"):
        GymnasiumEnv("Acrobot-v1", 4).load_state_dict(state)
    with pytest.raises(ValueError, match="name should be 'diagnostic/recall_first', but the state has None"):
        RecallFirst(4).load_state_dict(state)


def test_the_log_drops_what_no_episode_needs() -> None:
    log = EpisodeLog(2, gs.Discrete(10_000, start=-5000))
    for step in range(5000):
        is_first = np.array([step % 10 == 9, step % 1500 == 1499])
        log.append(np.array([step, -step]), is_first)
        if step % 97 == 0:
            begin = step + 1 - (step + 1) % 1500
            expected = [-number for number in range(begin, step + 1)]
            assert log.actions_since_reset()[1].tolist() == expected
            assert log.num_actions().tolist() == [(step + 1) % 10, len(expected)]
    first, second = log.actions_since_reset()
    assert first.tolist() == [] and second[0] == -4500 and second[-1] == -4999 and len(second) == 500
    assert log.episodes.tolist() == [500, 3]
    state = log.state_dict()
    assert state["actions"].shape == (500,) and state["lengths"].tolist() == [0, 500]
    other = EpisodeLog(2, gs.Discrete(10_000, start=-5000))
    other.load_state_dict(state)
    other.append(np.array([1, 2]), np.array([False, False]))
    assert [own.tolist() for own in other.actions_since_reset()] == [[1], [*second.tolist(), 2]]


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (gs.Discrete(256), np.uint8),
        (gs.Discrete(257), np.int16),
        (gs.Discrete(2, start=-1), np.int16),
        (gs.Discrete(2, start=40_000), np.int32),
        (gs.Discrete(2, start=2**40), np.int64),
        (gs.MultiDiscrete([3, 256]), np.uint8),
        (gs.MultiDiscrete([3, 4], start=[0, -2]), np.int16),
        (gs.Box(-1, 1, (3,)), np.float32),
        (gs.Box(-1, 1, (), dtype=np.float64), np.float64),
    ],
)
def test_an_action_is_stored_in_the_smallest_kind_that_holds_its_space(space: gs.Space, kind: type) -> None:
    assert stored_dtype(space) == kind
    first, last = (space.low, space.high) if isinstance(space, gs.Box) else bounds(space)
    log = EpisodeLog(1, space)
    for action in (first, last):
        log.append(np.asarray(action)[None], np.array([False]))
    (own,) = log.actions_since_reset()
    assert np.array_equal(own, np.stack([first, last]))


def bounds(space: Any) -> tuple[Any, Any]:
    """The first and the last action of a space that counts."""
    count = space.nvec if isinstance(space, gs.MultiDiscrete) else space.n
    return space.start, space.start + count - 1


def test_an_endless_episode_costs_a_byte_an_action() -> None:
    log = EpisodeLog(2, gs.Discrete(4))
    grown = growth(lambda: log.append(np.array([1, 2]), np.array([False, False])), 20 * 1024)
    assert 2 * 20 * 1024 <= grown < 2 * 20 * 1024 * 1.5


def test_what_a_checkpoint_holds_of_an_endless_episode_is_a_byte_an_action() -> None:
    log = EpisodeLog(3, gs.MultiDiscrete([3, 4]))
    for step in range(1500):
        log.append(np.full((3, 2), step % 3), np.array([False, step % 2 == 0, step == 1000]))
    state = log.state_dict()
    assert state["actions"].dtype == torch.uint8 and state["actions"].shape == (1500 + 1 + 499, 2)


def growth(call: Any, times: int) -> int:
    """Bytes that so many calls have added to what Python holds."""
    call()
    tracemalloc.start()
    try:
        for _ in range(times):
            call()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_state_of_before_is_read() -> None:
    # Steps of all environments since the longest running episode began, and where in them each one began.
    log = EpisodeLog(3, gs.Box(-1, 1, (2,)))
    actions = torch.arange(12.0).reshape(2, 3, 2)
    state = {"episodes": torch.tensor([4, 5, 6]), "start": torch.tensor([0, 2, 1]), "actions": actions}
    log.load_state_dict(state)
    assert [own.tolist() for own in log.actions_since_reset()] == [[[0, 1], [6, 7]], [], [[10, 11]]]
    assert log.episodes.tolist() == [4, 5, 6]
    del state["actions"]
    log.load_state_dict(state | {"start": torch.zeros(3, dtype=torch.int64)})
    assert log.num_actions().tolist() == [0, 0, 0]


def test_a_state_whose_parts_do_not_belong_together_is_refused() -> None:
    log = EpisodeLog(2, gs.Discrete(4))
    state = {"episodes": torch.zeros(2, dtype=torch.int64), "lengths": torch.tensor([1, 2])}
    with pytest.raises(ValueError, match="as many actions as its episodes are long, but it holds 2 for 3"):
        log.load_state_dict(state | {"actions": torch.zeros(2, dtype=torch.uint8)})
    with pytest.raises(ValueError, match="episodes of 2 environments, but it holds 3 and the actions of 2"):
        episodes = torch.zeros(3, dtype=torch.int64)
        log.load_state_dict(state | {"actions": torch.zeros(3, dtype=torch.uint8), "episodes": episodes})


def test_a_long_episode_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engram.envs.long_episode.MANY_ACTIONS", 1500)
    env = GymnasiumEnv(register(Echo), 2, kwargs={"action_space": gs.Box(-1, 1, (1,))})
    env.reset(0)
    with pytest.warns(
        UserWarning, match="is in an episode of 2,048 actions. Continuing .* set max_episode_steps"
    ) as told:
        for _ in range(4096):
            env.step(torch.zeros(2, 1))
    assert len(told) == 1
    with pytest.warns(UserWarning, match="in an episode of 4,096 actions, which are repeated now"):
        env.load_state_dict(env.state_dict())
    assert env.resume_is_exact


def test_echo_needs_no_actions_in_bounds_to_begin() -> None:
    env = GymnasiumEnv(register(Echo), 2, kwargs={"action_space": gs.Box(1, 2, (1,))})
    env.reset(0)
    env.load_state_dict(env.state_dict())
    assert env.resume_is_exact and env.step(torch.zeros(2, 1))["obs"].tolist() == [[1.5], [1.5]]


def test_a_policy_may_reuse_its_action_tensor() -> None:
    env, other = MAKERS["CartPole"]("sync"), MAKERS["CartPole"]("sync")
    row, action = env.reset(0), torch.zeros(4, dtype=torch.int64)
    for step in range(15):
        action.copy_((torch.arange(4) + step) % 2)
        row = env.step(action)
    assert_equal(other.load_state_dict(env.state_dict()), row)
    assert other.resume_is_exact
