"""The real Memory Maze in MuJoCo without its camera, so without OpenGL."""

import math
import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from record_rules import open_target, put

from engram.envs.memory_maze.real import RealMemoryMaze
from engram.envs.memory_maze.real.package import load_tasks, without_camera
from engram.envs.memory_maze.real.state import heading, place, position, read_scene
from engram.envs.memory_maze.real.touch import use_fast_touch

pytestmark = pytest.mark.real_maze


def blind(**options) -> RealMemoryMaze:
    return RealMemoryMaze(**{"camera": False, "global_observables": True, **options})


@pytest.fixture(scope="module")
def env():
    env = blind()
    env.reset(seed=3)
    yield env
    env.close()


def play(env: RealMemoryMaze, seed: int, steps: int, actions: int = 0) -> list:
    generator = np.random.default_rng(actions)
    obs, info = env.reset(seed=seed)
    assert info == {}
    return [obs, *(env.step(generator.integers(6)) for _ in range(steps))]


def flat(value) -> list:
    if isinstance(value, dict):
        return [item for key in sorted(value) for item in flat(value[key])]
    if isinstance(value, tuple):
        return [item for part in value for item in flat(part)]
    return (
        np.ravel(value).tolist() if not isinstance(value, list) else [i for part in value for i in flat(part)]
    )


def test_it_needs_neither_gym_nor_opengl() -> None:
    code = (
        "import sys; from engram.envs.memory_maze.real import RealMemoryMaze;"
        "env = RealMemoryMaze(camera=False); env.reset(seed=0); env.step(1);"
        "assert not {'gym', 'memory_maze', 'OpenGL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MUJOCO_GL": "off"})


def test_a_seed_is_the_packages_own_and_decides_everything(env) -> None:
    rows = play(env, 5, 30)
    again = play(env, 5, 30)
    other = play(env, 6, 3)
    assert flat(rows) == flat(again) and flat(rows[0]) != flat(other[0])
    with without_camera(load_tasks()):
        own = load_tasks().memory_maze_9x9(seed=5, global_observables=True, target_color_in_image=False)
    del own.mapping["image"]
    timestep = own.reset()
    assert flat(timestep.observation) == flat(rows[0])
    for row, action in zip(rows[1:], np.random.default_rng(0).integers(6, size=30), strict=True):
        timestep = own.step(action)
        assert flat(timestep.observation) == flat(row[0]) and timestep.reward == row[1]
    own.close()


def test_a_reset_without_a_seed_goes_on(env) -> None:
    first = env.reset(seed=1)[0]
    second = env.reset()[0]
    assert not np.array_equal(first["maze_layout"], second["maze_layout"])
    env.reset(seed=1)
    assert flat(env.reset()[0]) == flat(second)


def test_observations_are_copies_in_the_space(env) -> None:
    obs, _ = env.reset(seed=2)
    kept = flat(obs)
    for action in (1, 4, 5):
        assert env.observation_space.contains(env.step(action)[0])
    assert flat(obs) == kept


def test_the_scene_is_what_the_package_observes(env) -> None:
    for seed in (1, None, None):
        obs, _ = env.reset(seed=seed)
        scene = read_scene(env)
        inner = ~scene.walls[0, 1:-1, 1:-1].numpy()
        assert np.array_equal(inner, obs["maze_layout"]) and scene.walls[0, [0, -1]].all()
        assert scene.walls[0, :, [0, -1]].all() and not (scene.walls & scene.rooms).any()
        np.testing.assert_allclose(scene.position[0], obs["agent_pos"], atol=1e-6)
        direction = [math.cos(float(scene.heading)), math.sin(float(scene.heading))]
        np.testing.assert_allclose(direction, obs["agent_dir"], atol=1e-6)
        np.testing.assert_allclose(scene.target_positions[0], obs["targets_pos"], atol=1e-6)
        current = scene.target_positions[0, scene.current_target[0]]
        np.testing.assert_allclose(current, obs["target_pos"], atol=1e-6)
        assert scene.target_colors.tolist() == [[0, 1, 2]]
        rooms = scene.rooms[0, 1:-1, 1:-1]
        assert all(rooms[int(y), int(x)] for x, y in scene.target_positions[0])


def test_six_colours_are_shuffled() -> None:
    env = blind(randomize_colors=True)
    seen = set()
    for seed in (0, None, None, None):
        env.reset(seed=seed)
        seen |= set(read_scene(env).target_colors[0].tolist())
    assert len(seen) > 3
    env.close()


def test_placing_the_agent(env) -> None:
    env.reset(seed=4)
    for angle in (0.0, 2.5, -1.0):
        place(env, np.array([4.25, 3.5]), angle)
        np.testing.assert_allclose(position(env), [4.25, 3.5], atol=1e-12)
        assert math.isclose(heading(env), angle, abs_tol=1e-12)


def test_forward_follows_the_heading(env) -> None:
    target = open_target(env, 0)
    for angle in (0.0, 2.0):
        put(env, target, -1.8, 0.9, angle)
        before = position(env)
        env.step(1)
        moved = position(env) - before
        # Measured: 0.1108 cells from rest.
        np.testing.assert_allclose(moved, 0.1108 * np.array([math.cos(angle), math.sin(angle)]), atol=2e-3)


@pytest.mark.parametrize("distance, reward", [(0.76, 1.0), (0.79, 0.0)])
def test_touch_is_within_775_millimetres(env, distance: float, reward: float) -> None:
    target = open_target(env, 0)
    current = env.task._current_target_ix
    put(env, target, -distance, 0.0, 1.0)
    obs, got, *_ = env.step(0)
    assert got == reward
    # The observation of the same step already shows the next target, which is another.
    assert (env.task._current_target_ix != current) == bool(reward)
    np.testing.assert_array_equal(obs["target_pos"], obs["targets_pos"][env.task._current_target_ix])
    env.step(0)
    env.task._current_target_ix = current
    put(env, target, -1.6, distance, 1.0)
    assert sum(env.step(1)[1] for _ in range(9)) == reward


@pytest.mark.slow
def test_the_faster_touch_changes_nothing(monkeypatch) -> None:
    load_tasks()
    from dm_control.locomotion.props import target_sphere

    maze = sys.modules["memory_maze.maze"]
    fast = blind()
    fast.reset(seed=8)
    monkeypatch.setattr(maze, "target_sphere", target_sphere)
    shipped = blind()
    shipped.reset(seed=8)
    assert type(shipped.task._targets[0]) is target_sphere.TargetSphere
    assert type(fast.task._targets[0]) is not target_sphere.TargetSphere
    targets = read_scene(fast).target_positions[0].double().numpy()
    generator = np.random.default_rng(0)
    rewards = 0.0
    for step in range(300):
        if step % 10 == 0:
            # Around a target, mostly the current one, or in it.
            nearby = targets[fast.task._current_target_ix if step % 30 else generator.integers(3)]
            spot, angle = nearby + generator.uniform(-0.45, 0.45, 2), generator.uniform(-3, 3)
            place(fast, spot, angle)
            place(shipped, spot, angle)
        action = generator.choice([0, 1, 1, 4, 5, 2])
        first, second = fast.step(action), shipped.step(action)
        rewards += first[1]
        assert flat(first) == flat(second)
        assert np.array_equal(fast.physics.data.qpos, shipped.physics.data.qpos)
        assert np.array_equal(fast.physics.data.qvel, shipped.physics.data.qvel)
        assert fast.task._current_target_ix == shipped.task._current_target_ix
    assert rewards >= 10
    use_fast_touch(maze)


def test_an_episode_is_truncated_and_then_needs_a_reset(env) -> None:
    env.reset(seed=0)
    ends = [env.step(2)[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded, match="begins with reset"):
        env.step(0)
    env.reset()
    assert env.step(0)[2:4] == (False, False)


def test_continuous_actions_and_other_frequencies() -> None:
    discrete, continuous = blind(), blind(discrete_actions=False)
    pairs = [(1, [-1, 0]), (2, [0, -1]), (5, [-1, 1]), (0, [0, 0])]
    assert flat(discrete.reset(seed=1)[0]) == flat(continuous.reset(seed=1)[0])
    for action, drive in pairs:
        assert flat(discrete.step(action)) == flat(continuous.step(np.array(drive, np.float32)))
    often = blind(control_freq=40.0)
    often.reset(seed=1)
    for _ in range(10):
        frequent = often.step(1)[0]
    discrete.reset(seed=1)
    np.testing.assert_allclose(frequent["agent_pos"], discrete.step(1)[0]["agent_pos"], atol=1e-9)


def test_a_tensor_is_an_action_too(env) -> None:
    env.reset(seed=1)
    env.step(torch.tensor(1))
    env.step(np.int64(5))
