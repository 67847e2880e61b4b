"""The 48 tasks of POPGym by short names, and their families with free parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.autoencode import Autoencode
from engram.envs.popgym.battleship import Battleship
from engram.envs.popgym.cart_pole import NoisyPositionOnlyCartPole, PositionOnlyCartPole, VelocityOnlyCartPole
from engram.envs.popgym.concentration import Concentration
from engram.envs.popgym.count_recall import CountRecall
from engram.envs.popgym.higher_lower import HigherLower
from engram.envs.popgym.labyrinth import LabyrinthEscape, LabyrinthExplore
from engram.envs.popgym.mine_sweeper import MineSweeper
from engram.envs.popgym.multiarmed_bandit import MultiarmedBandit
from engram.envs.popgym.pendulum import NoisyPositionOnlyPendulum, PositionOnlyPendulum
from engram.envs.popgym.repeat_first import RepeatFirst
from engram.envs.popgym.repeat_previous import RepeatPrevious
from engram.envs.task import PackageVersion, Task


class _Family(Protocol):
    """A NativeVectorEnv whose options are a family's free parameters, named as the package's class.

    Attributes:
        difficulties: its options at `easy`, `medium` and `hard`.
    """

    difficulties: dict[str, dict[str, Any]]


# Short name of a family -> its native class, and the mean return of uniformly random actions at easy, medium and hard,
# measured on the native tasks over 2,000 episodes (300 for labyrinths), with a standard error of at most 0.042;
# `tests/envs/test_random_returns.py` plays them again.
_FAMILIES: dict[str, tuple[type[NativeVectorEnv], tuple[float, float, float]]] = {
    "autoencode": (Autoencode, (-0.503, -0.499, -0.496)),
    "battleship": (Battleship, (-0.450, -0.417, -0.392)),
    "concentration": (Concentration, (-0.194, -0.187, -0.836)),
    "count_recall": (CountRecall, (-0.926, -0.925, -0.881)),
    "higher_lower": (HigherLower, (0.002, 0.001, 0.001)),
    "labyrinth_escape": (LabyrinthEscape, (-0.478, -0.846, -0.948)),
    "labyrinth_explore": (LabyrinthExplore, (-0.366, -0.608, -0.745)),
    "mine_sweeper": (MineSweeper, (-0.221, -0.401, -0.431)),
    "multiarmed_bandit": (MultiarmedBandit, (-0.008, -0.003, -0.002)),
    "noisy_position_only_cart_pole": (NoisyPositionOnlyCartPole, (0.114, 0.114, 0.114)),
    "noisy_position_only_pendulum": (NoisyPositionOnlyPendulum, (0.249, 0.249, 0.249)),
    "position_only_cart_pole": (PositionOnlyCartPole, (0.114, 0.057, 0.038)),
    "position_only_pendulum": (PositionOnlyPendulum, (0.249, 0.249, 0.248)),
    "repeat_first": (RepeatFirst, (-0.498, -0.499, -0.499)),
    "repeat_previous": (RepeatPrevious, (-0.496, -0.499, -0.501)),
    "velocity_only_cart_pole": (VelocityOnlyCartPole, (0.114, 0.057, 0.038)),
}


def _tasks() -> Iterator[Task]:
    for family, (native, chances) in _FAMILIES.items():
        yield _task(family, native)
        for (difficulty, options), chance in zip(
            cast(_Family, native).difficulties.items(), chances, strict=True
        ):
            yield _task(family, native, difficulty, options, chance)


def _task(
    family: str,
    native: type[NativeVectorEnv],
    difficulty: str = "",
    options: dict[str, Any] | None = None,
    chance: float | None = None,
) -> Task:
    """A family, or one of its three tasks.

    Ids are `engram/` and the id in the package, such as `engram/popgym-RepeatPreviousEasy-v0`; a family, which the
    package does not register, has the same without a difficulty, and its class there one of its own.
    """
    name, ending = native.__name__, f"{difficulty.capitalize()}-v0"
    spellings = dict.fromkeys((name.replace("VelocityOnlyCartPole", "VelocityOnlyCartpole"), name))
    ids = [
        f"popgym-{spelling}{ending}" for spelling in spellings
    ]  # as it is registered there, and as the class is
    is_labyrinth = family.startswith("labyrinth")
    return Task(
        name=f"popgym/{family}_{difficulty}".removesuffix("_"),
        native=native,
        fixed=options or {},
        general=f"popgym/{family}" if difficulty else None,
        ids=tuple(f"engram/{id}" for id in ids),
        package=PackageVersion(
            id=f"popgym:{ids[0]}" if difficulty else f"engram.envs:engram/package-{name}-v0",
            needs=("mazelib", "popgym") if is_labyrinth else ("popgym",),
            options={"guard_global_random": is_labyrinth},
            spec=None if difficulty else {"entry_point": f"popgym.envs:{name}", "order_enforce": False},
        ),
        chance_return=chance,
        is_scaled=True,
    )


TASKS = tuple(_tasks())
