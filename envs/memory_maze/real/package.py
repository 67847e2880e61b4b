"""The tasks of the package `memory_maze`, without the `gym` it asks for."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from engram.envs.memory_maze.real.gl import choose_gl
from engram.envs.memory_maze.real.touch import use_fast_touch
from engram.envs.memory_maze.real.versions import check_versions


@cache
def load_tasks() -> ModuleType:
    """Import `memory_maze.tasks` and return it.

    The package's own `__init__` only registers ids with `gym`, the predecessor of Gymnasium, and stops where
    that is not installed. So an empty package of the same name and place stands in for it while the tasks are
    imported; afterwards it is gone, and the package can be imported as usual.

    Raises:
        ValueError: if the packages are not installed or do not work together.
    """
    check_versions()
    choose_gl(camera=False)
    spec = importlib.util.find_spec("memory_maze")
    assert spec is not None and spec.submodule_search_locations is not None
    stands_in = "memory_maze" not in sys.modules
    if stands_in:
        package = ModuleType("memory_maze")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["memory_maze"] = package
    try:
        from memory_maze import maze, tasks
    finally:
        if stands_in:
            del sys.modules["memory_maze"]
    logging.getLogger("absl").addFilter(_is_no_standing_warning)
    use_fast_touch(maze)
    return tasks


@contextmanager
def without_camera(tasks: Any) -> Iterator[None]:
    """Within the block the tasks are built without the agent's camera, which they would draw with at once."""
    seeing: Any = tasks.MemoryMazeTask

    class BlindTask(seeing):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._walker.observables.egocentric_camera.enabled = False

    tasks.MemoryMazeTask = BlindTask
    try:
        yield
    finally:
        tasks.MemoryMazeTask = seeing


def _is_no_standing_warning(record: logging.LogRecord) -> bool:
    """Leave out what dm_control says at every reset: this walker has no free joint."""
    return not record.getMessage().startswith("Cannot set velocity on Entity with no free joint")
