"""What holds for every native environment, however many there are and wherever they are."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from contract import assert_equal, play, random_action

from engram.envs import NativeVectorEnv

Make = Callable[..., NativeVectorEnv]


def check_the_same_at_any_batch_size(make: Make, steps: int = 60) -> None:
    whole, part = make(7), make(3, env_index_offset=2)
    generator = torch.Generator().manual_seed(0)
    row, other = whole.reset(5), part.reset(5)
    for _ in range(steps):
        assert_equal(row[2:5], other)
        action = random_action(whole, generator)
        row, other = whole.step(action), part.step(action[2:5])


def check_pure(make: Make, steps: int = 30) -> None:
    env = make(4)
    generator = torch.Generator().manual_seed(0)
    state, _ = env.reset_fn(3)
    for _ in range(steps):
        before, action = state.clone(), random_action(env, generator)
        following, row = env.step_fn(state, action)
        assert_equal(state, before)
        following_again, row_again = env.step_fn(state, action)
        assert_equal(row, row_again)
        assert_equal(following, following_again)
        state = following
    assert env.state is None


def check_compiles(make: Make, rounds: int = 12) -> None:
    """Three steps as one graph, over the ends of episodes."""
    env = make(4)
    generator = torch.Generator().manual_seed(0)

    def three_steps(state, actions):
        rows = []
        for action in actions:
            state, row = env.step_fn(state, action)
            rows.append(row)
        return state, rows

    torch.compiler.reset()
    compiled = torch.compile(three_steps, fullgraph=True, backend="eager")
    state, _ = env.reset_fn(3)
    for _ in range(rounds):
        actions = [random_action(env, generator) for _ in range(3)]
        following, rows = three_steps(state, actions)
        state, compiled_rows = compiled(state, actions)
        assert_equal(state, following)
        for row, expected in zip(compiled_rows, rows, strict=True):
            assert_equal(row, expected)


def check_resume(make: Make, steps: int = 25) -> None:
    env = make(4)
    play(env, 2, steps)
    other = make(4)
    assert_equal(other.load_state_dict(env.state_dict()), env._row)
    generator = torch.Generator().manual_seed(9)
    for _ in range(steps):
        action = random_action(env, generator)
        assert_equal(env.step(action), other.step(action))


def check_one_step_on_cuda(make: Make, steps: int = 60) -> None:
    """From the same state both devices give the same flags and draws, and numbers within 1e-6."""
    env, other = make(64), make(64, device="cuda")
    generator = torch.Generator().manual_seed(0)
    pairs = [env.reset_fn(1), other.reset_fn(1)]
    for _ in range(steps):
        for leaf, leaf_on_cuda in zip(*pairs, strict=True):
            leaf_on_cuda = leaf_on_cuda.cpu()
            assert set(leaf.keys(True, True)) == set(leaf_on_cuda.keys(True, True))
            for key, value in leaf.items(True, True):
                if value.is_floating_point():
                    torch.testing.assert_close(leaf_on_cuda[key], value, rtol=1e-6, atol=1e-6)
                else:
                    assert torch.equal(leaf_on_cuda[key], value), key
        state, action = pairs[0][0], random_action(env, generator)
        pairs = [env.step_fn(state, action), other.step_fn(state.to("cuda"), action.cuda())]


CHECKS: list[Any] = [
    check_the_same_at_any_batch_size,
    check_pure,
    pytest.param(check_compiles, marks=pytest.mark.slow),  # test_natives.py compiles some steps of every kind
    check_resume,
]


def native_tests(makers: Mapping[str, Make]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the two tests of every family of natives, which its module takes as its own: anywhere, and on CUDA."""

    @pytest.mark.parametrize("check", CHECKS)
    @pytest.mark.parametrize("name", makers)
    def test_what_holds_for_every_native_environment(name: str, check: Callable[[Make], None]) -> None:
        check(makers[name])

    @pytest.mark.gpu
    @pytest.mark.parametrize("name", makers)
    def test_one_step_on_cuda(name: str) -> None:
        check_one_step_on_cuda(makers[name])

    return test_what_holds_for_every_native_environment, test_one_step_on_cuda
