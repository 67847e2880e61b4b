"""What breaks Gymnasium's contract and ids that are none: one sentence; an environment's own bugs: untouched."""

import importlib.util
import sys
import types
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from toy_envs import register

from engram.common.ids import not_registered
from engram.envs import EnvironmentFault, GymnasiumEnv, RecallFirst, make_env
from engram.envs.make import check_vector_env, make_gymnasium


class Returning(gymnasium.Env):
    """Returns what it is told to."""

    action_space = gs.Discrete(2)

    def __init__(self, space: gs.Space | None = None, first: Any = None, **returned: Any) -> None:
        self.observation_space = gs.Box(-1, 1, (2,)) if space is None else space
        self.first = self.observation_space.sample() if first is None else first
        self.returned = {
            "obs": self.first,
            "reward": 0.0,
            "terminated": False,
            "truncated": False,
            "info": {},
        }
        self.returned |= returned

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.returned["reset"] if "reset" in self.returned else (self.first, {})

    def step(self, action):
        names = ("obs", "reward", "terminated", "truncated", "info")
        return self.returned["step"] if "step" in self.returned else tuple(self.returned[n] for n in names)


def row_after(**kwargs: Any):
    env = GymnasiumEnv(register(Returning), 2, kwargs=kwargs)
    env.reset(0)
    return env.step(torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    "returned, sentence",
    [
        ({"reward": np.array([1.0])}, r"a reward must be one number, but got float64 of shape \(1,\)"),
        ({"reward": [1.0]}, r"a reward must be one number, but got list \[1.0\]"),
        ({"reward": None}, "a reward must be one number, but got NoneType None"),
        ({"reward": "1"}, "a reward must be one number"),
        ({"reward": 1j}, "a reward must be one number"),
        ({"terminated": None}, "terminated must be true or false, but got NoneType None"),
        ({"terminated": np.array([True])}, r"terminated must be true or false, but got bool of shape \(1,\)"),
        ({"truncated": 2}, "truncated must be true or false, but got int 2"),
        ({"truncated": "no"}, "truncated must be true or false"),
        ({"info": None}, "info must be a dict, but got NoneType None"),
        ({"step": (np.zeros(2), 0.0, False, {})}, r"step must return \(observation, reward, .* got 4 parts"),
        ({"step": None}, "step must return .* got NoneType None"),
        ({"reset": np.zeros(2)}, r"reset must return \(observation, info\), but got float64 of shape \(2,\)"),
        ({"reset": (np.zeros(2), 0)}, r"reset must return .* got 2 parts, \(ndarray, int\)"),
        (
            {"obs": np.zeros(3)},
            r"An observation of toy/Returning-v0 must be float32 of shape \(2,\), but got float64",
        ),
        ({"obs": [[0], [1, 2]]}, r"must be float32 of shape \(2,\), but got list"),
        (
            {"obs": np.zeros(2, np.complex64)},
            r"must be float32 of shape \(2,\), but got complex64 of shape \(2,\)",
        ),
        ({"obs": np.zeros((2, 1))}, r"must be float32 of shape \(2,\), but got float64 of shape \(2, 1\)"),
        ({"reward": 1j}, "a reward must be one number, but got complex 1j"),
        ({"obs": None}, r"must be float32 of shape \(2,\), but got NoneType"),
        ({"space": gs.Discrete(3), "obs": 3}, r"must be in Discrete\(3\), 0 to 2, but got 3"),
        ({"space": gs.Discrete(3, start=5), "obs": 4}, "5 to 7, but got 4"),
        (
            {"space": gs.Discrete(3), "obs": np.array([1])},
            r"one whole number of Discrete\(3\), but got int64 of shape",
        ),
        ({"space": gs.Discrete(3), "obs": 1.5}, "one whole number of .* got float 1.5"),
        (
            {"space": gs.MultiDiscrete([2, 3]), "obs": np.array([1, 3])},
            r"must be in MultiDiscrete.* got \[1, 3\]",
        ),
        (
            {"space": gs.MultiBinary(2), "obs": np.array([1, 2])},
            r"must be in MultiBinary\(2\), but got \[1, 2\]",
        ),
        (
            {"space": gs.Box(0, 255, (2,), np.uint8), "obs": np.array([0, 256])},
            "uint8, 0 to 255, but got int64, 0 to",
        ),
        (
            {"space": gs.Box(0, 255, (2,), np.uint8), "obs": np.array([0.5, 1])},
            "must be uint8 of shape .* got float64",
        ),
        (
            {"space": gs.Dict(a=gs.Discrete(2)), "obs": {"b": 0}},
            r"be a dict with the keys \['a'\], but got \['b'\]",
        ),
        ({"space": gs.Dict(a=gs.Discrete(2)), "obs": {"a": 2}}, r"part a, must be in Discrete\(2\)"),
        ({"space": gs.Tuple([gs.Discrete(2)]), "obs": (0, 1)}, "be a tuple of 1 parts, but got 2 parts"),
        ({"space": gs.Tuple([gs.Discrete(2)]), "obs": (7,)}, "part 0, must be in Discrete"),
    ],
)
def test_a_broken_contract_is_one_sentence(returned: dict, sentence: str) -> None:
    with pytest.raises(EnvironmentFault, match=sentence) as raised:
        row_after(**returned)
    assert "\n" not in str(raised.value) and str(raised.value).count("correct the environment") == 1


@pytest.mark.parametrize(
    "reward", [1, True, np.float32(1), np.int64(1), np.array(1.0), np.float64(1), torch.tensor(1.0)]
)
def test_numbers_of_other_types_are_rewards(reward) -> None:
    assert row_after(reward=reward)["reward"].tolist() == [1, 1]


@pytest.mark.parametrize("flag", [1, np.True_, np.int64(1), np.array(True), 1.0])
def test_flags_of_other_types_count(flag) -> None:
    row = row_after(terminated=flag, truncated=np.bool_(False))
    assert row["is_terminal"].tolist() == row["is_last"].tolist() == [True, True]


@pytest.mark.parametrize(
    "space, obs, expected",
    [
        (gs.Box(-1, 1, (2,)), [0, 1], [0, 1]),
        (gs.Box(-1, 1, (2,)), np.array([0.5, 9.0]), [0.5, 9.0]),  # bounds of floats are not looked at
        (gs.Box(0, 255, (2,), np.uint8), np.array([0, 255]), [0, 255]),
        (gs.Box(0, 1, (2,), np.bool_), np.array([0, 1]), [0, 1]),
        (gs.Discrete(3, start=-1), np.array(1, np.uint8), 2),
        (gs.MultiDiscrete([2, 3]), [1, 2], [1, 2]),
        (gs.MultiBinary(2), np.array([True, False]), [1, 0]),
    ],
)
def test_observations_of_other_types_are_converted(space: gs.Space, obs, expected) -> None:
    assert row_after(space=space, obs=obs)["obs"].tolist() == [expected] * 2


def test_a_worker_process_says_it_too(capfd) -> None:
    env = GymnasiumEnv(register(Returning), 1, kwargs={"reward": np.array([1.0])}, vectorization="async")
    env.reset(0)
    with pytest.raises(EnvironmentFault, match="a reward must be one number"):
        env.step(torch.zeros(1, dtype=torch.int64))
    env.close()


class Buggy(gymnasium.Env):
    """Has a mistake of its own in one of its methods."""

    observation_space = gs.Discrete(2)
    action_space = gs.Discrete(2)

    def __init__(self, where: str, size: int = 0) -> None:
        self.where = where
        self.fail("constructor")

    def fail(self, here: str):
        if self.where == here:
            return 1 + "one"  # the user's mistake

    def reset(self, *, seed=None, options=None):
        self.fail("reset")
        return 0, {}

    def step(self, action):
        self.fail("step")
        return 0, 0.0, False, False, {}


@pytest.mark.parametrize("where", ["constructor", "reset", "step"])
def test_a_bug_of_an_environment_keeps_its_traceback(where: str) -> None:
    with pytest.raises(TypeError, match="unsupported operand type") as raised:
        env = GymnasiumEnv(register(Buggy), 1, kwargs={"where": where})
        env.reset(0)
        env.step(torch.zeros(1, dtype=torch.int64))
    errors = [raised.value, raised.value.__cause__]
    frames = [f for e in errors if e for f in _frames(e)]
    assert ("fail", __file__) in frames


def _frames(error: BaseException) -> list[tuple[str, str]]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_name, trace.tb_frame.f_code.co_filename))
        trace = trace.tb_next
    return frames


@pytest.mark.parametrize("kwargs", [{"siez": 3, "where": ""}, {}])
def test_options_that_a_constructor_does_not_take_are_one_sentence(kwargs: dict) -> None:
    with pytest.raises(
        ValueError, match=r"options of environment 'toy/Buggy-v0' must be .* it says: Buggy\.__init__"
    ):
        GymnasiumEnv(register(Buggy), 1, kwargs=kwargs)


@pytest.mark.parametrize(
    "id", ["a b c", "", "envs:", ":CartPole-v1", "a b:CartPole-v1", "../x:CartPole-v1", "a//b", 7]
)
def test_malformed_ids_are_one_sentence(id) -> None:
    with pytest.raises(
        ValueError,
        match=r"(An environment id|id of GymnasiumEnv) must be a (name such as|word).*, but (it is|got)",
    ) as raised:
        GymnasiumEnv(id, 1)
    assert repr(id) in str(raised.value)


def test_an_id_of_a_vector_only() -> None:
    if "toy/VectorOnly-v0" not in gymnasium.registry:
        gymnasium.register("toy/VectorOnly-v0", vector_entry_point="nowhere:Vector")
    for id in ("toy/VectorOnly-v0", "toy/VectorOnly"):
        with pytest.raises(ValueError, match=r"'toy/VectorOnly(-v0)?' has only that of a vector"):
            GymnasiumEnv(id, 1)


@pytest.mark.parametrize(
    "id, package, install",
    [
        ("ALE/Pong-v5", "ale_py", "ale-py"),
        ("MiniGrid-MemoryS7-v0", "minigrid", "minigrid"),
        ("BabyAI-GoToRedBall-v0", "minigrid", "minigrid"),
        ("FetchReach-v4", "gymnasium_robotics", "gymnasium-robotics"),
    ],
)
def test_ids_without_their_package_name_it(id: str, package: str, install: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    others = {
        one: spec for one, spec in gymnasium.registry.items() if not one.startswith(id.partition("-")[0])
    }
    monkeypatch.setattr(gymnasium, "registry", others)
    message = not_registered(id)
    assert f"run pip install '{install}' and put the package first, env.id={package}:{id}." in message
    assert "did you mean" not in message


def test_a_package_that_is_installed_is_to_be_named() -> None:
    assert "put its package first, env.id=popgym:popgym-Nothing-v0" in not_registered("popgym-Nothing-v0")
    assert "did you mean CartPole-v" in not_registered("CartPol-v1")
    assert not_registered("Zzzzz-v1").endswith("put its package first, `package:id`.")
    assert "env.id=ale_py:PongNoFrameskip-v4" in not_registered("PongNoFrameskip-v4")


def test_a_package_that_is_missing_is_to_be_installed(monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "memory_gym" else find(name, *rest)
    )
    said = not_registered("Endless-MortarMayhem-v0")
    assert "run pip install --no-deps memory-gym==1.0.2 pygame-ce and put the package first" in said


def test_a_package_that_is_none_of_gymnasiums_is_to_be_wrapped(monkeypatch) -> None:
    """Such as crafter, bsuite and PettingZoo: they import, and register nothing with Gymnasium."""
    monkeypatch.setitem(sys.modules, "old_gym_package", types.ModuleType("old_gym_package"))
    with pytest.raises(
        ValueError, match="'old_gym_package' registers none with it, so put a class derived from"
    ):
        make_gymnasium("old_gym_package:Old-v0")
    assert not_registered("Zzzzz-v1", "gymnasium.envs").endswith("is not: look for its spelling.")


def test_a_dash_in_a_module_is_an_underscore() -> None:
    with pytest.raises(ValueError, match=r"did you mean memory_gym:MortarMayhem-Grid-v0\?"):
        make_gymnasium("memory-gym:MortarMayhem-Grid-v0")
    with pytest.raises(ValueError, match="'my env:v1': give one"):
        make_gymnasium("my env:v1")


def test_a_package_whose_own_imports_are_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_installed.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "wrong_inside.py").write_text("from math import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="imports 'nowhere_to_be_found', and that is not installed"):
        GymnasiumEnv("half_installed:X-v0", 1)
    with pytest.raises(ValueError, match=r"cannot be imported \(.*no_such_name") as raised:
        GymnasiumEnv("wrong_inside:X-v0", 1)
    assert isinstance(raised.value.__cause__, ImportError)  # with the place of the mistake


@pytest.mark.parametrize(
    "space",
    [gs.Box(-1, 1, (0,)), gs.Dict(a=gs.Discrete(2), b=gs.Box(0, 1, (3, 0))), gs.Tuple([])],
)
def test_spaces_without_a_number(space: gs.Space) -> None:
    with pytest.raises(
        ValueError, match="An observation space must hold one number or more in each of its parts"
    ):
        GymnasiumEnv(register(Returning), 1, kwargs={"space": space, "first": 0})


def test_actions_without_a_number() -> None:
    class Idle(Returning):
        action_space = gs.Box(-1, 1, (0,))

    with pytest.raises(ValueError, match=r"An action space must be .* Box of one or more numbers"):
        GymnasiumEnv(register(Idle), 1)


def test_a_class_of_gymnasiums_is_no_vector_env() -> None:
    sentence = (
        r"must be an envs.VectorEnv, but .*Buggy is not: call gymnasium.register\('Buggy-v0', Buggy\) in "
        r".* and take env=gymnasium env.id=.*:Buggy-v0\.$"
    )
    for env in (Buggy, Buggy("nowhere")):
        with pytest.raises(ValueError, match=sentence):
            check_vector_env(env)
    with pytest.raises(ValueError, match=r"but builtins.int is not: derive it from envs.VectorEnv"):
        check_vector_env(3)
    for right in (RecallFirst, RecallFirst(1), make_env):
        check_vector_env(right)
