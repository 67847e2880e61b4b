"""Packages whose environments say of an episode's end what is not so, and what puts it right."""

from __future__ import annotations

from typing import Any

import gymnasium


def corrected(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """Put around an environment what its package needs, if that is known, and is not there yet.

    Args:
        env: as `gymnasium.make` gives it.
    """
    if type(env.unwrapped).__module__.partition(".")[0] != "memory_gym":
        return env
    # Here, because the module's package is a family of tasks, which are made by way of this one.
    from engram.envs.memory_gym.package import PackageEpisodes

    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, PackageEpisodes):
            return env
        layer = layer.env
    return PackageEpisodes(env)
