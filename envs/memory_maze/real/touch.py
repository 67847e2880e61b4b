"""A faster test of what the agent touches: most of a step of the package goes into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any


def use_fast_touch(maze: ModuleType) -> None:
    """Make the tasks of the package place targets that find their contacts by one comparison of arrays.

    dm_control's target walks over all contacts in Python, for each target at each of the 50 substeps of a
    step. The outcome is the same: a target is activated if its geom is in any contact.

    Args:
        maze: the module `memory_maze.maze`; dm_control itself is not changed.
    """
    from dm_control.locomotion.props import target_sphere

    slow: Any = target_sphere.TargetSphere

    class FastTargetSphere(slow):
        _activated: bool

        def _update_activation(self, physics: Any) -> None:
            # `ptr`: dm_control's own view of the contacts is a copy.
            if not self._activated and self._geom_id in physics.data.ptr.contact.geom:
                self._activated = True
                physics.bind(self._material).rgba[-1] = 0

    maze.target_sphere = SimpleNamespace(TargetSphere=FastTargetSphere)  # type: ignore[attr-defined]


@contextmanager
def shipped_touch(maze: ModuleType) -> Iterator[None]:
    """Within the block tasks are built with dm_control's own targets, for comparisons.

    Args:
        maze: the module `memory_maze.maze`.
    """
    from dm_control.locomotion.props import target_sphere

    fast = maze.target_sphere
    maze.target_sphere = target_sphere  # type: ignore[attr-defined]
    try:
        yield
    finally:
        maze.target_sphere = fast  # type: ignore[attr-defined]
