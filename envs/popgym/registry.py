"""The 48 tasks of POPGym by short names, and their families with free parameters."""

from __future__ import annotations

import difflib
from typing import Any, Literal

import gymnasium
import torch

from envs.gymnasium_env import GymnasiumEnv
from envs.make import import_package

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
        f"{family}_{difficulty}": f"popgym-{_REGISTERED_AS.get(task, task)}{difficulty.capitalize()}-v0"
        for family, task in _FAMILIES.items()
        for difficulty in _DIFFICULTIES
    }


def popgym_names() -> list[str]:
    """Return the short names of the 48 tasks, such as `repeat_previous_easy`, in alphabetical order."""
    return sorted(popgym_ids())


def popgym_families() -> list[str]:
    """Return the short names of the 16 families, such as `repeat_previous`, whose options are free."""
    return sorted(_FAMILIES)


def make_popgym(
    name: str,
    num_envs: int,
    kwargs: dict[str, Any] | None = None,
    vectorization: Literal["sync", "async"] = "sync",
    action: Literal["clip", "rescale"] = "clip",
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
    env_index_offset: int = 0,
) -> GymnasiumEnv:
    """Make a POPGym task.

    Args:
        name: one of `popgym_names()`; or one of `popgym_families()`, whose options are then given by
            `kwargs`, for instance `repeat_previous` with `{"num_decks": 2, "k": 16}` to study the distance
            of recall.
        num_envs: number of environments B.
        kwargs: options of a family; the 48 tasks have none.
        vectorization: as for `GymnasiumEnv`.
        action: as for `GymnasiumEnv`.
        max_episode_steps: as for `GymnasiumEnv`; the tasks end by themselves.
        render_mode: as for `GymnasiumEnv`; few tasks take one.
        device: of the rows.
        env_index_offset: as for `GymnasiumEnv`.

    Returns:
        The environment, named `popgym/<name>`.

    Raises:
        ValueError: if there is no such task, or popgym (for labyrinths also mazelib) is not installed.
    """
    ids = popgym_ids()
    family = name if name in _FAMILIES else name.rpartition("_")[0]
    if name not in ids and name not in _FAMILIES:
        nearest = difflib.get_close_matches(name, [*ids, *_FAMILIES], n=3)
        raise ValueError(
            f"A POPGym task must be one of the {len(ids)} tasks such as 'repeat_previous_easy' or a family such "
            f"as 'repeat_previous', but it is {name!r}"
            + (f": did you mean {' or '.join(nearest)}?" if nearest else ": choose one of these.")
        )
    is_labyrinth = family.startswith("labyrinth")
    if is_labyrinth:
        import_package("mazelib", f"POPGym task {name!r}")
    import_package("popgym", f"POPGym task {name!r}")
    return GymnasiumEnv(
        # The package before the id also registers it in a worker process that starts from nothing.
        id=f"popgym:{ids[name]}" if name in ids else f"envs:engram/popgym-{_FAMILIES[name]}-v0",
        num_envs=num_envs,
        kwargs=kwargs,
        vectorization=vectorization,
        action=action,
        max_episode_steps=max_episode_steps,
        render_mode=render_mode,
        guard_global_random=is_labyrinth,
        name=f"popgym/{name}",
        device=device,
        env_index_offset=env_index_offset,
    )


def register_families() -> None:
    """Register the base class of every family, which popgym does not, as `engram/popgym-<Class>-v0`."""
    for task in _FAMILIES.values():
        id = f"engram/popgym-{task}-v0"
        if id not in gymnasium.registry:
            gymnasium.register(id=id, entry_point=f"popgym.envs:{task}", order_enforce=False)
