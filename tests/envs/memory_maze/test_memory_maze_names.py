"""Memory Maze by short names."""

from dataclasses import replace
from typing import Any

import pytest

from engram.command_line.config import compose_config
from engram.command_line.groups import group_options
from engram.envs import TASKS, GymnasiumEnv, NativeVectorEnv, make_env


class Recorder(NativeVectorEnv):
    """Stands in for the native maze and keeps what it was made with."""

    begin = advance = observe = None  # type: ignore[assignment]

    def __init__(
        self,
        num_envs: int,
        size: str,
        device: Any,
        env_index_offset: int,
        *,
        low_walls: bool = False,
        views: int = 1,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.made_with = (num_envs, size, env_index_offset, low_walls, views)


Recorder.__abstractmethods__ = frozenset()


@pytest.fixture
def recorder(monkeypatch) -> None:
    for name in ("9x9", "tiny_vis"):
        task = TASKS[f"memory_maze/{name}"]
        monkeypatch.setitem(TASKS, task.name, replace(task, native=Recorder))


def test_names_are_options_of_the_command_line() -> None:
    names = {f"memory_maze/{name}" for name in ("tiny", "9x9", "9x9_vis", "15x15_oracle_top")}
    assert names <= TASKS.keys() <= set(group_options("env"))
    values = compose_config("train", ["env=memory_maze/9x9", "env.backend=package"]).values["env"]
    assert values["_target_"] == "engram.envs.make_env" and values["name"] == "memory_maze/9x9"
    assert values["backend"] == "package" and values["vectorization"] is None


def test_the_native_one_is_the_default(recorder) -> None:
    env = make_env("memory_maze/9x9", 3, env_index_offset=4)
    assert isinstance(env, Recorder) and env.name == "memory_maze/9x9"
    assert env.made_with == (3, "9x9", 4, False, 1)
    env = make_env("memory_maze/tiny_vis", 1, kwargs={"views": 2})
    assert env.name == "memory_maze/tiny_vis" and env.made_with == (1, "tiny", 0, True, 2)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (
            {"name": "memory_maze/9x9_visible"},
            "but it is 'memory_maze/9x9_visible': did you mean memory_maze/9x9_vis",
        ),
        ({"name": "zzz"}, "one of the \\d+ in the table .* but it is 'zzz': choose one"),
        ({"name": "memory_maze/9x9_top"}, "but memory_maze/9x9_top has none: .* backend=package"),
        (
            {"name": "memory_maze/tiny", "backend": "package"},
            "but memory_maze/tiny has none: .* backend=native",
        ),
        (
            {"name": "memory_maze/9x9", "backend": "jax"},
            "backend of make_env must be one of native, package, but got 'jax'",
        ),
        (
            {"name": "memory_maze/9x9", "worker_timeout": 60},
            "no option worker_timeout, but got worker_timeout=60",
        ),
        (
            {"name": "memory_maze/9x9", "vectorization": "sync"},
            "no option vectorization, but got vectorization='sync'",
        ),
        (
            {"name": "memory_maze/9x9", "kwargs": {"walls": 3}},
            "takes the arguments low_walls, views, but got an unexpected keyword argument 'walls'; leave",
        ),
        (
            {"name": "memory_maze/9x9", "render_mode": "human"},
            "no option render_mode, but got render_mode='human'",
        ),
        (
            {"name": "memory_maze/9x9", "backend": "package", "kwargs": {"colour": 1}},
            "options of environment 'engram/RealMemoryMaze-9x9-v0' must be arguments .* 'colour'",
        ),
    ],
)
def test_mistakes_are_one_sentence(recorder, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        make_env(**{"num_envs": 2, **options})
    assert "\n" not in str(raised.value)


def test_the_package_plays_in_processes_of_its_own(monkeypatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(
        GymnasiumEnv,
        "__init__",
        lambda self, id, num_envs, **options: made.append({"id": id, "num_envs": num_envs, **options}),
    )
    make_env("memory_maze/11x11_extra_obs", 2, backend="package", render_mode="rgb_array", env_index_offset=3)
    make_env("memory_maze/9x9", 1, backend="package", vectorization="sync", kwargs={"control_freq": 8})
    make_env("memory_maze/9x9", 1, backend="package", worker_timeout=None)
    assert made[2]["worker_timeout"] is None
    assert made[0] == {
        "id": "engram.envs:engram/RealMemoryMaze-11x11-ExtraObs-v0",
        "num_envs": 2,
        "kwargs": None,
        "name": "memory_maze/11x11_extra_obs",
        "action": "auto",
        "vectorization": "async",
        "start_method": "spawn",
        "render_mode": "rgb_array",
        "device": "cpu",
        "env_index_offset": 3,
    }
    assert made[1]["vectorization"] == "sync" and made[1]["kwargs"] == {"control_freq": 8}
