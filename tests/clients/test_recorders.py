"""Videos of every native that draws: Gymnasium's recorders, CleanRL's way to use them, and stable-baselines3's."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from client_ids import DRAWN, IDS
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import AddRenderObservation, RecordEpisodeStatistics, RecordVideo
from gymnasium.wrappers.vector import RecordVideo as RecordVectorVideo
from native_ids import options

pytest.importorskip("moviepy", reason="videos need moviepy: pip install -e '.[video]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


# VisualMatch shows its first 15 rows alike: its player cannot move in them.
STEPS = 18


def check_video(folder: Path, frames: int) -> None:
    """One film, of so many frames of the same size, not all alike."""
    from moviepy import VideoFileClip

    (film,) = folder.glob("*.mp4")
    with VideoFileClip(str(film)) as clip:
        assert clip.fps == 4
        pictures = list(clip.iter_frames())
    assert len(pictures) == frames
    assert any(not np.array_equal(pictures[0], picture) for picture in pictures)


def play(env, limit: int) -> int:
    """Play at random and return the number of steps; a single environment stops at its episode's end."""
    env.action_space.seed(1)
    env.reset(seed=0)
    steps, ended = 0, False
    while steps < limit and not ended:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        steps += 1
        ended = np.ndim(terminated) == 0 and (terminated or truncated)
    return steps


@pytest.mark.parametrize("id", DRAWN)
def test_gymnasiums_recorder(id, tmp_path):
    env = RecordVideo(
        gymnasium.make(id, render_mode="rgb_array", **options(id)), str(tmp_path), video_length=20
    )
    steps = play(env, STEPS)
    shown = [np.array(frame) for frame in env.recorded_frames]
    np.testing.assert_array_equal(shown[-1], env.unwrapped.render())
    assert len(shown) == steps + 1 and any(not np.array_equal(shown[0], frame) for frame in shown)
    env.close()
    check_video(tmp_path, steps + 1)


@pytest.mark.parametrize("id", DRAWN)
def test_gymnasiums_recorder_of_vectors(id, tmp_path):
    vector = gymnasium.make_vec(id, 2, render_mode="rgb_array", **options(id))
    recorder = RecordVectorVideo(vector, str(tmp_path), step_trigger=lambda step: step == 0, video_length=20)
    play(recorder, STEPS)
    recorder.close()
    check_video(tmp_path, STEPS)  # it begins with the first step


@pytest.mark.parametrize("id", DRAWN)
def test_pictures_as_observations(id):
    env = AddRenderObservation(gymnasium.make(id, render_mode="rgb_array", **options(id)))
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs) and obs.dtype == np.uint8
    np.testing.assert_array_equal(env.step(env.action_space.sample())[0], env.unwrapped.render())


@pytest.mark.parametrize("id", IDS)
def test_cleanrls_way(id, tmp_path):
    """The first of a SyncVectorEnv is recorded; all keep statistics of their episodes."""
    draws = id in DRAWN

    def make_env(index):
        def thunk():
            if draws and index == 0:
                env = gymnasium.make(id, render_mode="rgb_array", **options(id))
                env = RecordVideo(env, str(tmp_path), video_length=3)
            else:
                env = gymnasium.make(id, **options(id))
            return RecordEpisodeStatistics(env)

        return thunk

    envs = SyncVectorEnv([make_env(index) for index in range(2)])
    envs.action_space.seed(0)
    envs.reset(seed=1)
    episodes = 0
    for _ in range(250 if not draws else 8):
        _, _, terminated, truncated, infos = envs.step(envs.action_space.sample())
        episodes += int((terminated | truncated).sum())
        if (terminated | truncated).any():
            assert infos["episode"]["l"][terminated | truncated].all()
    envs.close()
    if draws:
        assert list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize("id", DRAWN)
@pytest.mark.parametrize("kind", ["SB3VecEnv", "make_vec_env"])
def test_stable_baselines3s_recorder(id, kind, tmp_path):
    pytest.importorskip("stable_baselines3", reason="needs stable-baselines3: pip install -e '.[benchmark]'")
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecVideoRecorder

    from engram import envs
    from engram.envs.sb3_env import SB3VecEnv

    if kind == "SB3VecEnv":
        native = envs.registered_natives()[id](num_envs=2, **options(id))
        venv = SB3VecEnv(native, render_mode="rgb_array")
    else:
        venv = make_vec_env(id, 2, env_kwargs=options(id), seed=0)
    recorder = VecVideoRecorder(venv, str(tmp_path), lambda step: step == 0, video_length=STEPS)
    assert recorder.frames_per_sec == 4
    recorder.reset()
    recorder.action_space.seed(0)
    for _ in range(STEPS + 2):
        recorder.step(np.array([recorder.action_space.sample() for _ in range(2)]))
    recorder.close()
    check_video(tmp_path, STEPS + 1)
