"""The table's environments as Gymnasium's, for users without an agent of ours."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gymnasium
import torch

from engram.envs.native import NativeVectorEnv
from engram.envs.table import TASKS

_NATIVE = {task.ids[0]: task for task in TASKS.values() if task.ids}


def registered_natives() -> dict[str, Callable[..., NativeVectorEnv]]:
    """Return what makes every registered native environment, given `num_envs` and options, by its id."""
    return {id: functools.partial(make_registered, id) for id in _NATIVE}


def make_registered(
    id: str,
    num_envs: int,
    device: torch.device | str = "cpu",
    env_index_offset: int = 0,
    **options: Any,
) -> NativeVectorEnv:
    """Make a registered native environment.

    Args:
        id: one of `registered_natives()`.
        num_envs: number of environments B.
        device: of the rows.
        env_index_offset: index of the first environment, where several processes share one run.
        **options: of the task.

    Raises:
        TypeError: if there is no such option.
        ValueError: if an option has no such value.
    """
    if "action" in options:  # which is about the units of Engram's own policies
        raise TypeError(
            f"{id} takes actions of its action space as they are and has no option action, but got "
            f"action={options['action']!r}: leave it out."
        )
    return _NATIVE[id].make_native(num_envs, options, device=device, env_index_offset=env_index_offset)


def register() -> None:
    """Register all, once: `import engram.envs` is enough, or `gymnasium.make("engram.envs:engram/RecallFirst-v0")`."""
    for task in TASKS.values():
        for id in task.ids:
            _register(
                id,
                entry_point=f"{__package__}.single_native:NativeGymnasiumEnv",
                vector_entry_point=f"{__package__}.vector_native:NativeGymnasiumVectorEnv",
                kwargs={"native": task.ids[0]},
            )
        if task.package is not None and task.package.spec is not None:
            _register(task.package.id.rpartition(":")[2], **task.package.spec)


def _register(id: str, **spec: Any) -> None:
    if id not in gymnasium.registry:
        gymnasium.register(id, **spec)


register()
