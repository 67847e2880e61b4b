"""The native environments as Gymnasium environments, for users without an agent of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium

from engram.envs.diagnostic import CopySequence, DiscountingChain, MemoryChain, RecallFirst, TMaze
from engram.envs.memory_maze import memory_maze_factories
from engram.envs.memory_maze.registry import register_real_mazes
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym import native_factories, register_families

_NATIVE: dict[str, Callable[..., NativeVectorEnv]] = {
    "engram/CopySequence-v0": CopySequence,
    "engram/DiscountingChain-v0": DiscountingChain,
    "engram/MemoryChain-v0": MemoryChain,
    "engram/RecallFirst-v0": RecallFirst,
    "engram/TMaze-v0": TMaze,
    **native_factories(),
    **memory_maze_factories(),
}


# As POPGym's classes are spelled, where its registered ids differ.
_ALIASES = {id.replace("Cartpole", "CartPole"): id for id in _NATIVE if "VelocityOnlyCartpole" in id}


def registered_natives() -> dict[str, Callable[..., NativeVectorEnv]]:
    """Return what makes every registered native environment, given `num_envs` and options, by its id."""
    return dict(_NATIVE)


def make_registered(id: str, **options: Any) -> NativeVectorEnv:
    """Make a registered native environment, given `num_envs` and options.

    Raises:
        TypeError: if there is no such option.
        ValueError: if an option has no such value.
    """
    if "action" in options:  # which is about the units of Engram's own policies
        raise TypeError(
            f"{id} takes actions of its action space as they are and has no option action, but got "
            f"action={options['action']!r}: leave it out."
        )
    return _NATIVE[id](**options)


def register() -> None:
    """Register all, once: `import engram.envs` is enough, or `gymnasium.make("engram.envs:engram/RecallFirst-v0")`."""
    for id, native in {**{id: id for id in _NATIVE}, **_ALIASES}.items():
        if id not in gymnasium.registry:
            gymnasium.register(
                id=id,
                entry_point=f"{__package__}.single_native:NativeGymnasiumEnv",
                vector_entry_point=f"{__package__}.vector_native:NativeGymnasiumVectorEnv",
                kwargs={"native": native},
            )
    register_families()
    register_real_mazes()


register()
