"""POPGym's families that are native: the one table of them, and how one is made."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, cast

from engram.envs.errors import unknown_option
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
from engram.envs.render_modes import draws


class NativeFamily(Protocol):
    """A NativeVectorEnv whose options are a family's free parameters.

    Attributes:
        difficulties: its options at `easy`, `medium` and `hard`.
    """

    difficulties: dict[str, dict[str, Any]]

    def __call__(self, num_envs: int, **kwargs: Any) -> NativeVectorEnv:
        """Make the environment."""


# Short name of a family -> its class.
NATIVES = cast(
    dict[str, NativeFamily],
    {
        "autoencode": Autoencode,
        "battleship": Battleship,
        "concentration": Concentration,
        "count_recall": CountRecall,
        "higher_lower": HigherLower,
        "labyrinth_escape": LabyrinthEscape,
        "labyrinth_explore": LabyrinthExplore,
        "mine_sweeper": MineSweeper,
        "multiarmed_bandit": MultiarmedBandit,
        "noisy_position_only_cart_pole": NoisyPositionOnlyCartPole,
        "noisy_position_only_pendulum": NoisyPositionOnlyPendulum,
        "position_only_cart_pole": PositionOnlyCartPole,
        "position_only_pendulum": PositionOnlyPendulum,
        "repeat_first": RepeatFirst,
        "repeat_previous": RepeatPrevious,
        "velocity_only_cart_pole": VelocityOnlyCartPole,
    },
)

# Options of every native environment, and those of the package's version: neither are a family's own.
_COMMON = ("num_envs", "device", "env_index_offset")
_PACKAGE = ("vectorization", "worker_timeout", "action", "max_episode_steps", "render_mode")


def native_options(family: str) -> dict[str, inspect.Parameter]:
    """Return the free parameters of a native family by name."""
    parameters = inspect.signature(cast(type, NATIVES[family])).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in _COMMON}


def make_native(
    family: str,
    difficulty: str | None,
    num_envs: int,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> NativeVectorEnv:
    """Make a native task.

    Args:
        family: a key of `NATIVES`.
        difficulty: `easy`, `medium` or `hard`; None leaves the family's parameters free.
        num_envs: number of environments B.
        kwargs: free parameters, for a family without a difficulty.
        **options: `device` and `env_index_offset`; of the options of the package's version those that are
            given; all others are free parameters too. A class takes an option of the package's version by having
            an argument of its name, and `render_mode` also by drawing pictures.

    Raises:
        ValueError: if an option is unknown, or only the package's version has it.
    """
    known, name = native_options(family), family if difficulty is None else f"{family}_{difficulty}"
    kwargs = {**(kwargs or {}), **{key: options[key] for key in options if key not in (*_COMMON, *_PACKAGE)}}
    if kwargs and difficulty is not None:
        raise unknown_option(
            f"POPGym task {name!r} has no options, but got kwargs={kwargs}: "
            f"give them to the family, {family!r}, or choose another difficulty.",
            next(iter(kwargs)),
        )
    if unknown := set(kwargs) - set(known):
        raise unknown_option(
            f"The options of POPGym family {family!r} are {', '.join(known) or 'none'}, but got "
            f"{', '.join(map(repr, sorted(unknown)))}: give some of these.",
            min(unknown),
        )
    if difficulty is not None:
        kwargs = NATIVES[family].difficulties[difficulty]
    if options.get("render_mode") == "rgb_array" and draws(cast(type[NativeVectorEnv], NATIVES[family])):
        del options["render_mode"]
    for option, value in options.items():
        if option in _PACKAGE and option not in known:
            raise unknown_option(
                f"The native version of POPGym task {name!r} has no option {option}, but got {option}={value!r}: "
                f"leave it out, or take the package's with backend=package.",
                option,
            )
    env = NATIVES[family](num_envs, **{**kwargs, **options})
    env.name = f"popgym/{name}"
    return env
