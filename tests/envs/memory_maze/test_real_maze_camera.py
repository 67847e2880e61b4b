"""The real Memory Maze with its camera; skipped where MuJoCo finds no OpenGL."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from record_frames import draw_position

from engram.envs.memory_maze.real import VARIANTS, RealMemoryMaze, real_id
from engram.envs.memory_maze.real.gl import choose_gl
from engram.envs.memory_maze.real.state import FLOOR, SKY, WALL, place, read_scene, view, view_classes
from engram.envs.memory_maze.sizes import COLORS


@pytest.fixture(scope="module", autouse=True)
def opengl() -> None:
    try:
        choose_gl()
    except ValueError as error:
        pytest.skip(f"the real Memory Maze cannot be drawn here: {error}")


@pytest.fixture(scope="module")
def env():
    env = RealMemoryMaze(render_mode="rgb_array")
    env.reset(seed=1)
    yield env
    env.close()


def test_the_border_shows_the_current_target(env) -> None:
    image, _ = env.reset(seed=1)
    assert env.observation_space.contains(image)
    for _ in range(3):
        color = np.array(list(COLORS.values())[env.task._current_target_ix])
        border = (color * 255 * 0.7).astype(np.uint8)
        for side in (image[:2], image[-2:], image[:, :2], image[:, -2:]):
            assert (side == border).all()
        np.testing.assert_array_equal(image[2:-2, 2:-2], view(env)[2:-2, 2:-2])
        target = read_scene(env).target_positions[0, env.task._current_target_ix]
        place(env, target.double().numpy(), 0.0)
        image, reward, *_ = env.step(0)
        assert reward == 1.0


def test_pictures_are_copies_and_are_enlarged_for_videos(env) -> None:
    image, _ = env.reset(seed=2)
    kept = image.copy()
    following = env.step(2)[0]
    np.testing.assert_array_equal(image, kept)
    assert not np.array_equal(following, image)
    frame = env.render()
    assert frame.shape == (256, 256, 3) and frame.dtype == np.uint8
    np.testing.assert_array_equal(frame[::4, ::4], following)
    np.testing.assert_array_equal(frame[3::4, 3::4], following)


def test_classes_of_pixels(env) -> None:
    env.reset(seed=3)
    walls = read_scene(env).walls[0].numpy()
    place(env, draw_position(walls, np.random.default_rng(0)), 0.5)
    classes = view_classes(env)
    assert classes.shape == (64, 64) and (classes[0] != FLOOR).all() and (classes[-1] != SKY).all()
    assert {SKY, FLOOR, WALL} & set(np.unique(classes).tolist())


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", "ExtraObs", "Oracle-ExtraObs", "HiFreq-Vis", "6CL-Top"])
def test_gymnasiums_checker_is_content(suffix: str) -> None:
    env = gymnasium.make(
        f"engram.envs:{real_id('9x9', suffix)}", disable_env_checker=True, render_mode="rgb_array"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of ExtraObs it says that observations without bounds are unusual, which they are in the package.
        warnings.filterwarnings("ignore", message=".*A Box observation space (minimum|maximum) value is.*")
        check_env(env.unwrapped)
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", VARIANTS)
def test_every_variant_plays(suffix: str) -> None:
    env = gymnasium.make(f"engram.envs:{real_id('9x9', suffix)}", disable_env_checker=True).unwrapped
    obs, _ = env.reset(seed=0)
    for action in range(6):
        assert env.observation_space.contains(obs)
        obs = env.step(action)[0]
    side = env.options.camera_resolution
    # What the package says of itself: its own spec of the observation.
    spec = env._env.observation_spec()
    shapes = {key: part.shape for key, part in spec.items()} if isinstance(spec, dict) else spec.shape
    space = env.observation_space
    own = (
        {key: part.shape for key, part in space.items()}
        if isinstance(space, gymnasium.spaces.Dict)
        else space.shape
    )
    assert shapes == own
    image = obs["image"] if isinstance(obs, dict) else obs
    assert image.shape == (side, side, 3) and image.std() > 10
    env.close()
