"""What holds for every native environment: pure, the same at any batch size, by any path and on any device."""

import gymnasium
import numpy as np
import pytest
import torch
from contract import assert_equal, play, random_action
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from native_ids import FEW, IDS, MAKERS, SECOND_NAMES
from tensordict import TensorDict

from engram import envs
from engram.envs.vector_native import NativeGymnasiumVectorEnv

ALL = pytest.mark.parametrize("id", IDS)
SOME = pytest.mark.parametrize("id", FEW)


def with_ends(state: TensorDict, generator: torch.Generator, share: float = 0.05) -> TensorDict:
    """A state in which some more episodes have just ended, so that beginnings come apart and often."""
    ended = torch.rand(state.batch_size, generator=generator) < share
    return state.copy().set("is_last", state["is_last"] | ended.to(state["is_last"].device))


def walk(env: envs.NativeVectorEnv, steps: int):
    """States with the actions to be applied to them."""
    generator = torch.Generator().manual_seed(3)
    state, _ = env.reset_fn(5)
    for _ in range(steps):
        state = with_ends(state, generator)
        action = random_action(env, generator).to(env.device)
        yield state, action
        state, _ = env.step_fn(state, action)


@pytest.mark.parametrize("id", SECOND_NAMES)
def test_a_second_name_is_the_same_task(id: str) -> None:
    for row, same in zip(
        play(MAKERS[id](num_envs=2), 3, 10), play(MAKERS[SECOND_NAMES[id]](num_envs=2), 3, 10), strict=True
    ):
        assert_equal(row, same)


@ALL
def test_rows_keep_the_contract(id: str) -> None:
    env = MAKERS[id](num_envs=5)
    rows = play(env, 3, 150)
    for row, again in zip(rows, play(env, 3, 150), strict=True):
        assert_equal(row, again)


@SOME
def test_whole_episodes_keep_the_contract(id: str) -> None:
    rows = play(MAKERS[id](num_envs=3), 4, 1100)
    assert any(row["is_last"].any() for row in rows)


@ALL
def test_step_fn_is_pure(id: str) -> None:
    env = MAKERS[id](num_envs=6)
    for state, action in walk(env, 25):
        before, same_action = state.clone(), action.clone()
        following, row = env.step_fn(state, action)
        again, row_again = env.step_fn(state, action)
        assert_equal(state, before), assert_equal(following, again), assert_equal(row, row_again)
        assert torch.equal(action, same_action)
        for key, value in state.items(True, True):
            assert (following[key].dtype, following[key].shape) == (value.dtype, value.shape), key
    assert env.state is None


@ALL
def test_beginnings_are_the_same_selected_or_computed_where_needed(id: str, monkeypatch) -> None:
    env = MAKERS[id](num_envs=9)
    for state, action in walk(env, 40):
        following, row = env.step_fn(state, action)
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            masked, masked_row = env.step_fn(state, action)
        assert_equal(following, masked), assert_equal(row, masked_row)


def checksums(row: TensorDict) -> torch.Tensor:
    """A number of every environment's row, float64 [B]."""
    numbers = torch.cat([value.double().reshape(len(row), -1) for value in row.values(True, True)], 1)
    return numbers @ torch.arange(1, numbers.shape[1] + 1, dtype=torch.float64).sqrt()


@pytest.mark.parametrize(
    "whole, steps", [(33, 120), pytest.param(4096, 1000, marks=pytest.mark.slow)], ids=["33", "4096"]
)
@ALL
def test_the_same_at_any_batch_size_and_offset(id: str, whole: int, steps: int) -> None:
    many, few = MAKERS[id](num_envs=whole), MAKERS[id](num_envs=7, env_index_offset=2)
    generator = torch.Generator().manual_seed(1)
    row, other = many.reset(11), few.reset(11)
    for _ in range(steps):
        torch.testing.assert_close(checksums(row[2:9]), checksums(other), rtol=1e-14, atol=0)
        action = random_action(many, generator)
        row, other = many.step(action), few.step(action[2:9])
    assert_equal(row[2:9], other)


@ALL
def test_a_loaded_state_goes_on(id: str) -> None:
    env, other = MAKERS[id](num_envs=4), MAKERS[id](num_envs=4)
    play(env, 2, 40)
    stored = env.state_dict()
    generator = torch.Generator().manual_seed(2)
    actions = [random_action(env, generator) for _ in range(60)]
    rows = [env.step(action) for action in actions]
    pending = other.load_state_dict(stored)
    assert_equal(pending, stored_row(stored))
    for action, row in zip(actions, rows, strict=True):
        assert_equal(other.step(action), row)


def stored_row(stored: dict) -> TensorDict:
    return TensorDict(stored["row"], batch_size=[4])


@SOME
def test_a_rollout_compiles_without_a_graph_break(id: str) -> None:
    env = MAKERS[id](num_envs=4)

    def two_steps(state, actions):
        state, row = env.step_fn(state, actions[0])
        return env.step_fn(state, actions[1]), row

    torch._dynamo.reset()  # else every environment counts as one more recompilation of the same code
    compiled = torch.compile(two_steps, fullgraph=True, backend="eager")
    state, _ = env.reset_fn(3)
    generator = torch.Generator().manual_seed(2)
    actions = [random_action(env, generator) for _ in range(2)]
    (state_1, row_1), row_0 = compiled(state, actions)
    (expected_state, expected_1), expected_0 = two_steps(state, actions)
    assert_equal(state_1, expected_state), assert_equal(row_0, expected_0), assert_equal(row_1, expected_1)


@ALL
def test_gymnasiums_checker_passes(id: str) -> None:
    env = gymnasium.make(f"engram.envs:{id}")
    check_env(env.unwrapped, skip_render_check=True)


@ALL
def test_the_gymnasium_vector_is_the_native_environment(id: str) -> None:
    vector = gymnasium.make_vec(id, num_envs=3)
    assert isinstance(vector.unwrapped, NativeGymnasiumVectorEnv)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    native = MAKERS[id](num_envs=3)
    obs, _ = vector.reset(seed=4)
    row = native.reset(4)
    vector.action_space.seed(0)
    was_last = np.zeros(3, dtype=bool)
    for _ in range(130):
        assert vector.observation_space.contains(obs)
        actions = vector.action_space.sample()
        obs, reward, terminated, truncated, _ = vector.step(actions)
        row = native.step(torch.as_tensor(actions), in_space=True)
        np.testing.assert_array_equal(reward, row["reward"].numpy())
        np.testing.assert_array_equal(terminated | truncated, row["is_last"].numpy())
        np.testing.assert_array_equal(terminated, row["is_terminal"].numpy())
        assert not reward[was_last].any() and not (terminated | truncated)[was_last].any()
        was_last = terminated | truncated


def almost_equal(left: TensorDict, right: TensorDict) -> None:
    """To the bit for what is discrete, to one step's rounding for physics, and but for a few pixels' in pictures."""
    for key, value in left.items(True, True):
        if value.dtype == torch.uint8 and value.ndim == 4:  # an edge may fall to the other side of a pixel
            differs = (right[key].cpu().int() - value.int()).abs() > 2
            assert differs.float().mean() < 1e-4, key
            continue
        tolerance = {"rtol": 1e-5, "atol": 1e-5} if value.is_floating_point() else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(right[key].cpu(), value, **tolerance)


@pytest.mark.gpu
@ALL
def test_one_step_is_the_same_on_cuda(id: str) -> None:
    env, other = MAKERS[id](num_envs=64), MAKERS[id](num_envs=64, device="cuda")
    if "Labyrinth" in id:
        other._pool = None  # a new maze in every episode, as in host memory
    almost_equal(env.reset_fn(5)[1], other.reset_fn(5)[1])
    for state, action in walk(env, 120):
        following, row = env.step_fn(state, action)
        following_other, row_other = other.step_fn(state.to("cuda"), action.cuda())
        almost_equal(row, row_other), almost_equal(following, following_other)


@pytest.mark.gpu
@ALL
def test_a_rollout_is_captured_as_a_cuda_graph(id: str) -> None:
    env = MAKERS[id](num_envs=64, device="cuda")
    state, _ = env.reset_fn(5)
    generator = torch.Generator().manual_seed(3)
    actions = [random_action(env, generator).cuda() for _ in range(8)]

    def rollout():
        rows, after = [], state
        for action in actions:
            after, row = env.step_fn(after, action)
            rows.append(row)
        return after, torch.stack(rows)

    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        expected = rollout()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        after, rows = rollout()
    graph.replay()
    torch.cuda.synchronize()
    assert_equal(after, expected[0]), assert_equal(rows, expected[1])
