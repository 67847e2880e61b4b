"""The real Memory Maze's names, options and mistakes; MuJoCo is not imported."""

import subprocess
import sys
from types import SimpleNamespace

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest

from engram.envs import TASKS
from engram.envs.memory_maze.real import VARIANTS, RealMemoryMaze, gl, versions
from engram.envs.memory_maze.real.gl import choose_gl
from engram.envs.memory_maze.real.spaces import RealOptions
from engram.envs.memory_maze.real.versions import WORKING_PAIRS, check_versions


def test_every_variant_of_the_package_is_registered() -> None:
    tasks = {
        task.name.removeprefix("memory_maze/"): task
        for task in TASKS.values()
        if task.name.startswith("memory_maze/")
    }
    ids = {name: task.package.id.removeprefix("engram.envs:") for name, task in tasks.items() if task.package}
    assert len(ids) == 64 and len(VARIANTS) == 16
    assert ids["9x9"] == "engram/RealMemoryMaze-9x9-v0"
    assert ids["15x15_oracle_extra_obs"] == "engram/RealMemoryMaze-15x15-Oracle-ExtraObs-v0"
    assert ids["11x11_hi_freq_hd"] == "engram/RealMemoryMaze-11x11-HiFreq-HD-v0"
    assert ids["13x13_6cl_top"] == "engram/RealMemoryMaze-13x13-6CL-Top-v0"
    for name, id in ids.items():
        assert gymnasium.spec(id).kwargs["size"] == name.partition("_")[0]


@pytest.mark.real_maze
def test_importing_and_making_one_imports_no_mujoco() -> None:
    code = (
        "import sys, envs; from engram.envs.memory_maze.real import RealMemoryMaze; RealMemoryMaze(camera=False);"
        "assert not {'mujoco', 'dm_control', 'OpenGL', 'memory_maze', 'gym'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_spaces_of_the_options() -> None:
    assert RealOptions().observation_space() == gs.Box(0, 255, (64, 64, 3), np.uint8)
    assert RealOptions().action_space() == gs.Discrete(6)
    assert RealOptions(discrete_actions=False).action_space() == gs.Box(-1.0, 1.0, (2,), np.float64)
    large = RealOptions(size="15x15", image_only_obs=False, global_observables=True, camera_resolution=256)
    space = large.observation_space()
    assert {key: part.shape for key, part in space.spaces.items()} == {
        "image": (256, 256, 3),
        "target_color": (3,),
        "agent_pos": (2,),
        "agent_dir": (2,),
        "target_vec": (2,),
        "target_pos": (2,),
        "targets_vec": (6, 2),
        "targets_pos": (6, 2),
        "maze_layout": (15, 15),
    }
    without = RealOptions(camera=False, image_only_obs=False).observation_space()
    assert set(without.spaces) == {"target_color"}


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"size": "10x10"}, "must be one of 9x9, 11x11, 13x13, 15x15, but got '10x10'; set size=9x9"),
        ({"size": "tiny"}, "size of RealMemoryMaze must be one of 9x9, .*, but got 'tiny'"),
        (
            {"control_freq": 7.0},
            "control_freq of RealMemoryMaze must be a divisor of 200, .* but got 7.0; set control_freq=4.0",
        ),
        ({"control_freq": 0.0}, "control_freq of RealMemoryMaze must be a divisor"),
        (
            {"camera_resolution": 32},
            "camera_resolution of .* must be a whole number from 64 to 480, but got 32",
        ),
        (
            {"camera": False, "image_only_obs": True},
            "image_only_obs of RealMemoryMaze must be false without a camera",
        ),
        (
            {"camera": False, "show_path": True, "global_observables": True},
            "show_path of RealMemoryMaze must be false without a camera",
        ),
        (
            {"camera": False, "top_camera": True},
            "top_camera of RealMemoryMaze must be false without a camera",
        ),
        (
            {"target_color_in_image": False},
            "image_only_obs of .* must be false where target_color_in_image is false",
        ),
        ({"show_path": True}, "show_path of .* must be false without global_observables"),
        ({"render_mode": "human"}, "must be None, or with a camera 'rgb_array', but it is 'human'"),
        ({"camera": False, "render_mode": "rgb_array"}, "'rgb_array' with camera=False"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        RealMemoryMaze(**options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "pair", [("1.0.28", "3.10.0"), ("1.0.50", "4.0.0"), ("1.0.22", "3.2.2"), ("9.9", "3.3.0")]
)
def test_packages_that_do_not_work_together(monkeypatch, pair: tuple[str, str]) -> None:
    found = {"dm_control": pair[0], "mujoco": pair[1]}
    monkeypatch.setattr(versions, "version", lambda name: found.get(name, "1.0.3"))
    with pytest.raises(
        ValueError, match=f"dm_control {pair[0]} and mujoco {pair[1]} are installed: run pip"
    ) as raised:
        RealMemoryMaze(camera=False)
    assert "\n" not in str(raised.value) and "dm_control==1.0.28 mujoco==3.3.0" in str(raised.value)


def test_packages_that_work_together(monkeypatch) -> None:
    for pair in WORKING_PAIRS.items():
        found = dict(zip(("dm_control", "mujoco"), pair, strict=True))
        monkeypatch.setattr(versions, "version", lambda name, found=found: found.get(name, "1.0.3"))
        check_versions()


@pytest.mark.real_maze
def test_a_missing_package(monkeypatch) -> None:
    real_version = versions.version
    monkeypatch.setattr(
        versions, "version", lambda name: real_version("no-" + name if name == "mujoco" else name)
    )
    with pytest.raises(
        ValueError, match=r"needs the packages .* but no-mujoco is not installed: run pip install"
    ):
        check_versions()


@pytest.fixture
def fresh_gl(monkeypatch):
    """Nothing of OpenGL is known yet; what the test leaves in the environment is put back."""
    monkeypatch.setenv("MUJOCO_GL", "to be removed")
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.delitem(sys.modules, "dm_control._render", raising=False)
    failure = gl._failure
    failure.cache_clear()
    yield monkeypatch
    failure.cache_clear()


@pytest.mark.real_maze
def test_without_opengl(fresh_gl) -> None:
    fresh_gl.setenv("PYOPENGL_PLATFORM", "neither")
    with pytest.raises(ValueError, match=r"nothing works \(egl: .*; osmesa: .*\): install EGL") as raised:
        RealMemoryMaze()
    assert "\n" not in str(raised.value)
    assert "MUJOCO_GL" not in gl.os.environ
    assert choose_gl(camera=False) == "off" == gl.os.environ["MUJOCO_GL"]


@pytest.mark.real_maze
def test_the_users_choice_is_respected(fresh_gl) -> None:
    fresh_gl.setenv("MUJOCO_GL", "off")
    with pytest.raises(ValueError, match="MUJOCO_GL is 'off': set it to egl"):
        RealMemoryMaze()
    assert choose_gl(camera=False) == "off"
    tried = []
    fresh_gl.setattr(gl, "_failure", lambda candidate: tried.append(candidate))
    fresh_gl.setenv("MUJOCO_GL", "osmesa")
    assert choose_gl() == "osmesa" and tried == ["osmesa"]


def test_egl_comes_before_osmesa(fresh_gl) -> None:
    fresh_gl.setattr(gl, "_failure", lambda candidate: None if candidate == "osmesa" else "no display")
    assert choose_gl() == "osmesa" == gl.os.environ["MUJOCO_GL"]
    fresh_gl.delenv("MUJOCO_GL")
    fresh_gl.setattr(gl, "_failure", lambda candidate: None)
    assert choose_gl() == "egl"


def test_what_dm_control_was_imported_with_cannot_change(fresh_gl) -> None:
    fresh_gl.setitem(sys.modules, "dm_control._render", SimpleNamespace(BACKEND=None))
    fresh_gl.setenv("MUJOCO_GL", "egl")
    with pytest.raises(ValueError, match=r"MUJOCO_GL is 'off': .* before dm_control is imported"):
        choose_gl()
