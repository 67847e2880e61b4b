"""Actions outside of the space: refused in host memory, clamped where a device must not wait; every native."""

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from native_ids import IDS, MAKERS
from tensordict import TensorDict
from toy_envs import Echo, register

from engram import envs
from engram.common.actions import ActionCheck
from engram.envs import Driver, GymnasiumEnv, NativeVectorEnv
from engram.envs.single_native import NativeGymnasiumEnv
from engram.envs.vector_native import NativeGymnasiumVectorEnv


def outside(space: gs.Space) -> list[np.ndarray]:
    """Actions of one environment that are outside of its space."""
    if isinstance(space, gs.Discrete):
        return [np.array(n) for n in (-1, int(space.n), 2**62, -(2**63))]
    if isinstance(space, gs.MultiDiscrete):
        return [np.array([0, *space.nvec[1:]]), np.array([-1, *[0] * (len(space.nvec) - 1)])]
    return [
        np.full(space.shape, np.nan, np.float32),
        space.high * np.float32(1.001),
        space.low * np.float32(1.001),
    ]


# The mazes are of one class, and one of them takes seconds to make.
SLOW = [id for id in IDS if "MemoryMaze" in id and "tiny" not in id]


@pytest.mark.parametrize("id", [pytest.param(id, marks=pytest.mark.slow) if id in SLOW else id for id in IDS])
def test_every_native_refuses_what_is_outside(id: str) -> None:
    native = MAKERS[id](num_envs=2)
    space = native.single_action_space
    vector = NativeGymnasiumVectorEnv.__new__(NativeGymnasiumVectorEnv)
    vector.native, vector.autoreset_mode = native, AutoresetMode.NEXT_STEP
    # Actions are looked at before anything else, so that an episode, which takes a maze seconds, need not begin.
    native.state = TensorDict({"is_last": torch.zeros(2, dtype=torch.bool)}, [2])
    allowed = np.zeros_like(outside(space)[0])
    for action in outside(space):
        batch = np.stack([allowed, action])
        with pytest.raises(
            ValueError, match=r"An action must .*, but environment 1 was given .*: choose another\.$"
        ):
            vector.step(batch)
        if not isinstance(space, gs.Box) or np.isnan(action).any():
            with pytest.raises(ValueError, match="environment 1 was given"):
                native.step(torch.as_tensor(batch))
    with pytest.raises(KeyError):  # an allowed one goes on to be played
        vector.step(np.stack([allowed, allowed]))


@pytest.mark.parametrize(
    "id", ["engram/popgym-BattleshipEasy-v0", "engram/popgym-PositionOnlyPendulumEasy-v0"]
)
def test_a_single_one_refuses_too(id: str) -> None:
    env = gymnasium.make(id)
    assert isinstance(env.unwrapped, NativeGymnasiumEnv)
    env.reset(seed=0)
    for action in outside(env.action_space):
        with pytest.raises(ValueError, match=r"An action must be in .*, but environment 0 was given"):
            env.step(action)
    env.step(env.action_space.sample())


@pytest.mark.parametrize("actions", [[1.7, 0.0], [[0], [1]], [0], ["left", "right"], [[0, 1], [1]], None])
def test_actions_of_another_shape_or_kind(actions) -> None:
    vector = gymnasium.make_vec("engram/RecallFirst-v0", num_envs=2, vectorization_mode="vector_entry_point")
    vector.reset(seed=0)
    with pytest.raises(ValueError, match=r"Actions must be of shape \[2\], one in Discrete\(4\) for each"):
        vector.step(actions)


def test_what_libraries_give_is_in_the_units_of_the_space() -> None:
    """A torque of 2 is a torque of 2 for Gymnasium's and TorchRL's users, whatever a policy's units are."""
    vector = gymnasium.make_vec("engram/popgym-PositionOnlyPendulumEasy-v0", 2, "vector_entry_point")
    clip, auto = (
        envs.make_env("popgym/position_only_pendulum_easy", 2, action=mode) for mode in ("clip", "auto")
    )
    vector.reset(seed=0), clip.reset(0), auto.reset(0)
    torque = np.array([[2.0], [-0.6]], np.float32)
    obs, reward, *_ = vector.step(torque)
    rows = [clip.step(torch.from_numpy(torque)), auto.step(torch.from_numpy(torque / 2))]
    for row in rows:
        np.testing.assert_array_equal(obs, row["obs"])
        np.testing.assert_array_equal(reward, row["reward"])


@pytest.mark.parametrize("vectorize", [False, True])
def test_the_ids_have_no_option_for_the_units_of_a_policy(vectorize: bool) -> None:
    id = "engram/popgym-PositionOnlyPendulumEasy-v0"
    with pytest.raises(TypeError, match="has no option action, but got action='rescale': leave it out"):
        if vectorize:
            gymnasium.make_vec(id, 2, "vector_entry_point", action="rescale")
        else:
            gymnasium.make(id, action="rescale")


@pytest.mark.parametrize(
    "name", ["popgym/concentration_easy", "popgym/battleship_easy", "popgym/repeat_first_easy"]
)
@pytest.mark.parametrize("number", [-1, 10_000])
def test_a_driver_refuses_what_a_policy_should_not_give(name: str, number: int) -> None:
    env = envs.make_env(name, 3)
    driver = Driver(env)
    nothing = TensorDict({}, [3])
    driver.start(0, nothing)

    def act(row, carry):
        action = torch.zeros_like(row["prev_action"])
        action[2] = number
        return action, carry, nothing

    with pytest.raises(ValueError, match=f"environment 2 was given .*{number}"):
        driver.collect(act, 4)


def test_actions_that_are_ignored_may_be_any() -> None:
    env = envs.make_env("popgym/concentration_easy", 2, kwargs=None)
    native = envs.RecallFirst(2, delay=0)
    for step in (native.step, native.step_sampled):
        native.reset(0)
        assert step(torch.zeros(2, dtype=torch.int64))["is_last"].all()
        row = step(torch.tensor([-1, 99]))
        assert row["is_first"].all() and not row["prev_action"].any()
    env.reset(0)
    env.state["is_last"].fill_(True)
    assert env.step_sampled(torch.tensor([-1, 10_000]))["is_first"].all()  # where it would be an index


def test_the_adapter_refuses_too() -> None:
    env = GymnasiumEnv("CartPole-v1", 2)
    env.reset(0)
    with pytest.raises(
        ValueError, match=r"An action must be in Discrete\(2\), but environment 1 was given -1"
    ):
        env.step(torch.tensor([0, -1]))
    for start in (0, 3):
        env = GymnasiumEnv(register(Echo), 1, kwargs={"action_space": gs.Discrete(3, start=start)})
        env.reset(0)
        assert env.step(torch.tensor([2]))["obs"].tolist() == [[2 + start]]
        with pytest.raises(ValueError, match=r"in Discrete\(3.*environment 0 was given 3"):
            env.step(torch.tensor([3]))
    env = GymnasiumEnv(register(Echo), 1, kwargs={"action_space": gs.Box(-1, 1, (2,))})
    env.reset(0)
    with pytest.raises(ValueError, match="must consist of numbers, not NaN, but environment 0 was given"):
        env.step(torch.tensor([[0.0, np.nan]]))


@pytest.mark.parametrize(
    "space, action, in_space, expected",
    [
        (gs.Discrete(4), [-1, 4, 2], False, [0, 3, 2]),
        (gs.MultiDiscrete([2, 3]), [[-1, 3], [1, 1], [2, -5]], False, [[0, 2], [1, 1], [1, 0]]),
        (gs.Box(-2, 2, (1,)), [[np.nan], [5.0], [-0.5]], False, [[0], [5], [-0.5]]),
        (gs.Box(-2, 2, (1,)), [[np.nan], [5.0], [-np.inf]], True, [[0], [2], [-2]]),
    ],
)
def test_a_device_clamps(space: gs.Space, action: list, in_space: bool, expected: list) -> None:
    check = ActionCheck(space, torch.device("cpu"))
    check._on_host = False  # as on a device
    assert check(torch.tensor(action), torch.zeros(3, dtype=torch.bool), in_space).tolist() == expected


def test_a_compiled_step_clamps() -> None:
    env: NativeVectorEnv = envs.RecallFirst(2, delay=0)
    state, _ = env.reset_fn(0)
    torch.compiler.reset()
    compiled = torch.compile(env.step_fn, fullgraph=True, backend="eager")
    _, row = compiled(state, torch.tensor([-5, 99]))
    assert row["prev_action"].tolist() == [0, 3]
