"""The 48 tasks of POPGym by short names, and their families with free parameters."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import gymnasium
import torch

from engram.envs.box_actions import BoxAction, check_box_action
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.ids import import_package
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.natives import NATIVES, make_native, native_options
from engram.envs.vector_env import VectorEnv
from engram.envs.worker_pipe import WORKER_TIMEOUT, check_worker_timeout

# Short name of a family -> its class in popgym, and its name in the registered ids where that is another.
_FAMILIES = {
    "autoencode": "Autoencode",
    "battleship": "Battleship",
    "concentration": "Concentration",
    "count_recall": "CountRecall",
    "higher_lower": "HigherLower",
    "labyrinth_escape": "LabyrinthEscape",
    "labyrinth_explore": "LabyrinthExplore",
    "mine_sweeper": "MineSweeper",
    "multiarmed_bandit": "MultiarmedBandit",
    "noisy_position_only_cart_pole": "NoisyPositionOnlyCartPole",
    "noisy_position_only_pendulum": "NoisyPositionOnlyPendulum",
    "position_only_cart_pole": "PositionOnlyCartPole",
    "position_only_pendulum": "PositionOnlyPendulum",
    "repeat_first": "RepeatFirst",
    "repeat_previous": "RepeatPrevious",
    "velocity_only_cart_pole": "VelocityOnlyCartPole",
}
_REGISTERED_AS = {"VelocityOnlyCartPole": "VelocityOnlyCartpole"}
_DIFFICULTIES = ("easy", "medium", "hard")


def popgym_ids() -> dict[str, str]:
    """Return the registered Gymnasium id of every task by its short name; popgym need not be installed."""
    return {
        f"{family}_{difficulty}": _popgym_id(family, difficulty)
        for family in _FAMILIES
        for difficulty in _DIFFICULTIES
    }


def _popgym_id(family: str, difficulty: str | None) -> str:
    """The id of a task as the package has it, or would have it for a family."""
    task = _FAMILIES[family]
    return f"popgym-{_REGISTERED_AS.get(task, task)}{(difficulty or '').capitalize()}-v0"


def popgym_names() -> list[str]:
    """Return the short names of the 48 tasks, such as `repeat_previous_easy`, in alphabetical order."""
    return sorted(popgym_ids())


def popgym_families() -> list[str]:
    """Return the short names of the 16 families, such as `repeat_previous`, whose options are free."""
    return sorted(_FAMILIES)


def popgym_class(family: str, difficulty: str | None = None) -> str:
    """Return the name of a task's class in the package, such as `RepeatPreviousEasy`."""
    return _FAMILIES[family] + (difficulty.capitalize() if difficulty else "")


def split_name(name: str) -> tuple[str, str | None]:
    """Split the name of a task into its family and difficulty; the name of a family has none.

    Raises:
        ValueError: if there is neither.
    """
    if name in _FAMILIES:
        return name, None
    family, _, difficulty = name.rpartition("_")
    if family in _FAMILIES and difficulty in _DIFFICULTIES:
        return family, difficulty
    ids = popgym_ids()
    nearest = difflib.get_close_matches(name, [*ids, *_FAMILIES], n=3)
    raise ValueError(
        f"A POPGym task must be one of the {len(ids)} tasks such as 'repeat_previous_easy' or a family such "
        f"as 'repeat_previous', but it is {name!r}"
        + (f": did you mean {' or '.join(nearest)}?" if nearest else ": choose one of these.")
    )


def make_popgym(
    name: str,
    num_envs: int,
    kwargs: dict[str, Any] | None = None,
    backend: Literal["native", "package"] = "native",
    vectorization: Literal["sync", "async"] | None = None,
    worker_timeout: float | None = WORKER_TIMEOUT,
    action: BoxAction = "auto",
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
    env_index_offset: int = 0,
) -> VectorEnv:
    """Make a POPGym task.

    Args:
        name: one of `popgym_names()`; or one of `popgym_families()`, whose options are then given by
            `kwargs`, for instance `repeat_previous` with `{"num_decks": 2, "k": 16}` to study the distance
            of recall.
        num_envs: number of environments B.
        kwargs: options of a family; the 48 tasks have none.
        backend: `native`: the batched version on any device, which needs no popgym; `package`: the package's
            own through Gymnasium.
        vectorization: as for `GymnasiumEnv`, by default `sync`; the package's version only.
        worker_timeout: as for `GymnasiumEnv`; the package's version only.
        action: as for `GymnasiumEnv`; of the pendulums, since no other task has continuous actions.
        max_episode_steps: as for `GymnasiumEnv`; the tasks end by themselves, the native versions only so.
        render_mode: as for `GymnasiumEnv`; few tasks take one.
        device: of the rows.
        env_index_offset: as for `GymnasiumEnv`.

    Returns:
        The environment, named `popgym/<name>`.

    Raises:
        ValueError: if there is no such task or option, or the package is asked for and popgym (for labyrinths
            also mazelib) is not installed.
    """
    family, difficulty = split_name(name)
    if backend not in ("native", "package"):
        raise ValueError(
            f"backend of POPGym task {name!r} must be 'native' or 'package', but it is {backend!r}: set it so."
        )
    given: dict[str, Any] = {
        option: value
        for option, value in (
            ("vectorization", vectorization),
            ("max_episode_steps", max_episode_steps),
            ("render_mode", render_mode),
        )
        if value is not None
    }
    if worker_timeout != WORKER_TIMEOUT:
        given["worker_timeout"] = check_worker_timeout(worker_timeout)
    common = {"device": device, "env_index_offset": env_index_offset}
    check_box_action(action)
    if backend == "package" or "action" in native_options(family):
        given["action"] = action  # a preset may say it for all tasks; the others have nothing to convert
    if backend == "native":
        return make_native(family, difficulty, num_envs, kwargs, **given, **common)
    is_labyrinth = family.startswith("labyrinth")
    if is_labyrinth:
        import_package("mazelib", f"POPGym task {name!r}")
    import_package("popgym", f"POPGym task {name!r}")
    return GymnasiumEnv(
        # The package before the id also registers it in a worker process that starts from nothing.
        id=f"popgym:{popgym_ids()[name]}" if difficulty else f"engram.envs:{_package_id(family)}",
        num_envs=num_envs,
        kwargs=kwargs,
        guard_global_random=is_labyrinth,
        name=f"popgym/{name}",
        **given,
        **common,  # type: ignore[arg-type]
    )


def _package_id(family: str) -> str:
    """The id under which the package's class of a family is registered here."""
    return f"engram/package-{_FAMILIES[family]}-v0"


def register_families() -> None:
    """Register the package's class of every family, which popgym does not, as `engram/package-<Class>-v0`."""
    for family, task in _FAMILIES.items():
        if _package_id(family) not in gymnasium.registry:
            gymnasium.register(id=_package_id(family), entry_point=f"popgym.envs:{task}", order_enforce=False)


def native_factories() -> dict[str, Callable[..., NativeVectorEnv]]:
    """Return what makes every native task and family, by the id it is registered as with Gymnasium.

    The one rule: `engram/` and the id in the package, such as `engram/popgym-RepeatPreviousEasy-v0`; a family, which
    the package does not register, has the same without a difficulty.
    """
    return {
        f"engram/{_popgym_id(family, difficulty)}": partial(make_native, family, difficulty)
        for family in NATIVES
        for difficulty in (None, *_DIFFICULTIES)
    }
