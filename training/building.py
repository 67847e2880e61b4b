"""What a run is built of beside its agent: the device, the environments, the options of a replay."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from engram.agents.replay import ReplaySettings
from engram.agents.stored.build import build_maker
from engram.common.checked import check_names, check_value
from engram.common.option_types import Group
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


def read_replay_settings(config: dict[str, Any]) -> ReplaySettings:
    """Read the options of an agent's replay.

    Raises:
        UsageError: if there are none.
        ValueError: for options that cannot work.
    """
    options = check_value(config["replay"], Group, "replay")
    check_names(options, (one.name for one in fields(ReplaySettings)), "a replay", "replay.")
    settings = ReplaySettings(**options)
    if config["capture"] and settings.prefill_policy == "random":
        raise ValueError(
            "Captured rollouts hold one policy, the agent's, but replay.prefill_policy is random; "
            "set replay.prefill_policy=own or capture=false."
        )
    return settings
