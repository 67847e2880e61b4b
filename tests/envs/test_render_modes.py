"""Drawing natives through Gymnasium: which can, what the frames show, and what is refused."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import AddRenderObservation

from engram import envs
from engram.envs.render_modes import draws

MINES, MAZE = "engram/popgym-MineSweeperEasy-v0", "engram/MemoryMaze-tiny-v0"
DRAWN = [
    MINES,
    "engram/popgym-BattleshipEasy-v0",
    "engram/popgym-ConcentrationEasy-v0",
    "engram/popgym-LabyrinthEscapeEasy-v0",
    "engram/popgym-LabyrinthExploreEasy-v0",
    MAZE,
]


def make(id: str, **options):
    return gymnasium.make(id, **({"num_layouts": 4} if id == MAZE else {}), **options)


def make_vec(id: str, num_envs: int, **options):
    return gymnasium.make_vec(id, num_envs, **({"num_layouts": 4} if id == MAZE else {}), **options)


def test_boards_and_mazes_draw():
    families = {task.native.__name__: task.native for task in envs.TASKS.values() if task.native}
    drawn = {family for family, native in families.items() if draws(native)}
    boards = {"Battleship", "Concentration", "LabyrinthEscape", "LabyrinthExplore", "MineSweeper"}
    boards |= {
        "EndlessMortarMayhem",
        "KeyToDoor",
        "MiniGridMemory",
        "MortarMayhemGrid",
        "MysteryPathGrid",
        "RedBlueDoors",
        "VisualMatch",
    }
    assert drawn == boards | {"Ballet", "MemoryMaze"}
    assert not draws(envs.RecallFirst) and not draws(envs.RecallFirst(1))


@pytest.mark.parametrize("id", DRAWN)
def test_a_frame_shows_the_state_after_reset_and_each_step(id):
    env, vector = make(id, render_mode="rgb_array"), make_vec(id, 2, render_mode="rgb_array")
    assert env.render_mode == vector.render_mode == "rgb_array"
    for metadata in (env.metadata, vector.metadata):
        assert metadata["render_modes"] == ["rgb_array"] and metadata["render_fps"] == 4
    env.reset(seed=3)
    vector.reset(seed=3)
    vector.action_space.seed(1)
    frames = []
    for _ in range(3):
        drawn = vector.render()
        assert isinstance(drawn, tuple) and len(drawn) == 2
        frames.append(env.render())
        np.testing.assert_array_equal(frames[-1], drawn[0])
        assert frames[-1].dtype == np.uint8 and frames[-1].shape == frames[0].shape == drawn[1].shape
        actions = vector.action_space.sample()
        vector.step(actions)
        env.step(actions[0])
    assert not np.array_equal(*drawn)
    assert frames[0].ndim == 3 and frames[0].shape[2] == 3
    assert any(not np.array_equal(frame, frames[0]) for frame in frames[1:])


def test_gymnasiums_own_vectors_draw_each():
    vector = gymnasium.make_vec(MINES, 2, vectorization_mode="sync", render_mode="rgb_array")
    vector.reset(seed=[0, 1])
    first, second = vector.render()
    assert vector.render_mode == "rgb_array" and not np.array_equal(first, second)


def test_lists_of_frames_leave_the_modes_of_others_alone():
    env = make(MINES, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step([0, 0])
    assert [frame.shape for frame in env.render()] == [(404, 404, 3)] * 2
    assert make(MINES).metadata["render_modes"] == ["rgb_array"]
    assert env.unwrapped.__class__.metadata["render_modes"] == ["rgb_array"]


def test_pictures_as_observations():
    env = AddRenderObservation(make(MINES, render_mode="rgb_array"))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation) and observation.shape == (404, 404, 3)
    following = env.step([0, 0])[0]
    np.testing.assert_array_equal(following, env.unwrapped.render())
    assert not np.array_equal(observation, following)


def test_each_maze_of_a_vector_keeps_the_path_it_went():
    both, *alone = (envs.make_env("memory_maze/tiny", 2, {"num_layouts": 4}) for _ in range(3))
    for env in (both, *alone):
        env.reset(0)
    for _ in range(4):
        frames = [both.render(index) for index in range(2)]
        for index, env in enumerate(alone):
            np.testing.assert_array_equal(frames[index], env.render(index))
        for env in (both, *alone):
            env.step(torch.tensor([1, 1]))


@pytest.mark.parametrize("make_env", [make, lambda id, **options: make_vec(id, 2, **options)])
def test_what_cannot_be_drawn_is_refused_in_one_sentence(make_env):
    recall = "engram/RecallFirst-v0"
    assert make_env(recall, render_mode=None).metadata["render_modes"] == []
    with pytest.raises(
        ValueError, match=r"diagnostic/recall_first has no pictures, but it is 'rgb_array': leave"
    ):
        make_env(recall, render_mode="rgb_array")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="None or 'rgb_array', but it is 'ansi'"):
        gymnasium.make(MINES, render_mode="ansi")
    with pytest.raises(ValueError, match="None or 'rgb_array', but it is 'ansi'"):
        gymnasium.make_vec(MINES, 2, render_mode="ansi")


def test_render_without_a_mode_warns_and_draws_nothing():
    env = make(MINES)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="pass render_mode='rgb_array'"):
        assert env.unwrapped.render() is None
    vector = make_vec("engram/RecallFirst-v0", 2)
    vector.reset(seed=0)
    with pytest.warns(UserWarning, match="it has no pictures"):
        assert vector.render() is None
