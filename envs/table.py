"""The one table of environments: by their short names, what makes them and what is known of them.

The command line, its help, the registration with Gymnasium, benchmarks and reports read it. A family of environments
is a module or a package that lists its `TASKS`; its entry is its name among `_FAMILIES`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, Literal

import torch

from engram.common.box_actions import BoxAction
from engram.common.checked import checked
from engram.common.natural_order import natural_order
from engram.common.option_types import Count, Index, Positive
from engram.common.vector_env import VectorEnv
from engram.envs import ballet, diagnostic, memory_gym, memory_maze, minigrid, popgym, tvt
from engram.envs.task import Task
from engram.envs.worker_pipe import WORKER_TIMEOUT
from engram.envs.wrappers.projection import NO_PROJECTION, Projection
from engram.envs.wrappers.wrapping import wrapped

_FAMILIES = (diagnostic, popgym, memory_maze, minigrid, ballet, tvt, memory_gym)

TASKS: dict[str, Task] = {task.name: task for family in _FAMILIES for task in family.TASKS}
"""Every task by its short name."""
_PLACES = {name: place for place, name in enumerate(TASKS)}


def find_task(name: str) -> Task:
    """Return what is known of a task.

    Args:
        name: its short name, such as `popgym/repeat_previous_easy`.

    Raises:
        ValueError: if there is none of this name.
    """
    if name in TASKS:
        return TASKS[name]
    nearest = difflib.get_close_matches(name, TASKS, n=3)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "choose one that --help lists for env=."
    raise ValueError(
        f"An environment must be one of the {len(TASKS)} in the table such as 'popgym/repeat_previous_easy', but it is "
        f"{name!r}: {hint}"
    )


@checked
def make_env(
    name: str,
    num_envs: Count,
    kwargs: dict[str, Any] | None = None,
    backend: Literal["native", "package"] = "native",
    vectorization: Literal["sync", "async"] | None = None,
    worker_timeout: Positive | None = WORKER_TIMEOUT,
    action: BoxAction = "auto",
    max_episode_steps: Count | None = None,
    render_mode: str | None = None,
    trials: Count | None = None,
    projection: Projection = NO_PROJECTION,
    observable: bool = False,
    device: torch.device | str = "cpu",
    env_index_offset: Index = 0,
) -> VectorEnv:
    """Make an environment of the table by its short name.

    Args:
        name: such as `popgym/repeat_previous_easy`, `memory_maze/9x9_extra_obs` or `diagnostic/recall_first`.
        num_envs: number of environments B.
        kwargs: options of the task: of its native class, or of the package's. The 48 tasks of POPGym have none; the
            family `popgym/repeat_previous` takes `{"num_decks": 2, "k": 16}` to study the distance of recall.
        backend: `native`: batched on any device; `package`: the package's own through Gymnasium. Of Memory Maze
            each of these takes about 1.7 GB of memory.
        vectorization: as for `GymnasiumEnv`, by default `sync`, of Memory Maze `async`; the package's version only.
        worker_timeout: as for `GymnasiumEnv`; the package's version only.
        action: as for `GymnasiumEnv`, where actions are continuous.
        max_episode_steps: as for `GymnasiumEnv`; episodes end by themselves, the native versions' only so.
        render_mode: `rgb_array` for videos; few tasks take one.
        trials: as for `engram.envs.wrappers.wrapped`; native versions only.
        projection: as for `engram.envs.wrappers.wrapped`; native versions only.
        observable: as for `engram.envs.wrappers.wrapped`; native versions only.
        device: of the rows.
        env_index_offset: as for `GymnasiumEnv`.

    Returns:
        The environment, of that name.

    Raises:
        ValueError: if there is no such task, version or option, or a package is missing.
    """
    task = find_task(name)
    choices = {
        "vectorization": vectorization,
        "max_episode_steps": max_episode_steps,
        "render_mode": render_mode,
    }
    given: dict[str, Any] = {option: value for option, value in choices.items() if value is not None}
    if worker_timeout != WORKER_TIMEOUT:
        given["worker_timeout"] = worker_timeout
    is_native = backend == "native"
    # A preset may say it for all tasks; natives without such an option have nothing to convert.
    if not is_native or (task.native and "action" in inspect.signature(task.native).parameters):
        given["action"] = action
    env: VectorEnv
    if is_native:
        env = task.make_native(num_envs, kwargs, given, device, env_index_offset)
    else:
        env = task.make_package(
            num_envs, kwargs=kwargs, device=device, env_index_offset=env_index_offset, **given
        )
    return wrapped(env, trials, projection, observable)


def table_order(name: str) -> tuple[int, tuple[tuple[str | float, ...], str]]:
    """Return what tasks are sorted by: their place in the table, easy ones before hard; what is not in it comes last.

    The options of one task stand in their natural order.

    Args:
        name: short name of a task, which options may follow after a space.
    """
    place = _PLACES.get(name.partition(" ")[0], len(_PLACES))
    return place, natural_order(name)


def maker(task: Task) -> Callable[..., VectorEnv]:
    """Return what makes a task, given `num_envs` and options: its native class where that is all, else `make_env`."""
    return make_env if task.native is None or task.fixed or task.package else task.native
