"""The real Memory Maze as rows; skipped where MuJoCo finds no OpenGL."""

import subprocess
import sys

import pytest
import torch
from contract import assert_equal, check_rows

from engram.envs import make_env
from engram.envs.memory_maze.real.gl import choose_gl


@pytest.fixture(scope="module", autouse=True)
def opengl() -> None:
    try:
        choose_gl()
    except ValueError as error:
        pytest.skip(f"the real Memory Maze cannot be drawn here: {error}")


@pytest.mark.slow
def test_rows_from_processes_of_their_own() -> None:
    env = make_env("memory_maze/9x9_extra_obs", 2, backend="package", render_mode="rgb_array")
    rows = [env.reset(5)]
    actions = torch.tensor([[1, 4], [2, 1], [5, 0]])
    rows += [env.step(action) for action in actions]
    check_rows(env, rows)
    assert rows[0]["obs", "image"].shape == (2, 64, 64, 3) and rows[0]["obs", "image"].dtype == torch.uint8
    assert not torch.equal(rows[0]["obs", "maze_layout"][0], rows[0]["obs", "maze_layout"][1])
    assert env.render(1).shape == (256, 256, 3)
    state = env.state_dict()
    following = env.step(actions[0])
    assert_equal(env.load_state_dict(state), rows[-1])
    assert_equal(env.step(actions[0]), following)
    assert env.resume_is_exact
    env.close()


@pytest.mark.slow
def test_processes_start_anew_where_opengl_is_loaded() -> None:
    code = """
import sys, torch
from engram import envs
here = envs.make_env("memory_maze/9x9", 1, backend="package", vectorization="sync")
first = here.reset(0)["obs"]
elsewhere = envs.make_env("memory_maze/9x9", 1, backend="package")
assert torch.equal(elsewhere.reset(0)["obs"], first)
elsewhere.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
