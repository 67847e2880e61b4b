"""What a run is built of beside its agent: the device and the environments."""

from __future__ import annotations

from typing import Any

import torch

from engram.agents.stored.build import build_maker
from engram.envs import VectorEnv
from engram.envs.make import check_vector_env


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        ValueError: says which devices there are.
    """
    available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device not in available and not (device == "cuda" and len(available) > 1):
        raise ValueError(
            f"The device must be one of {', '.join(available)}, but got {device!r}; set device=cpu."
        )


def build_env(config: dict[str, Any], num_envs: int) -> VectorEnv:
    """Build the environments that a configuration describes.

    Args:
        config: plain mapping with `env`, `device` and `allow`.
        num_envs: how many.

    Raises:
        ValueError: if they are none of Engram's kind, or refuse an option.
    """
    make_env = build_maker(config["env"], "env", ["num_envs", "device"], config["allow"])
    check_vector_env(getattr(make_env, "func", make_env))
    env = make_env(num_envs=num_envs, device=config["device"])
    check_vector_env(env)
    return env
