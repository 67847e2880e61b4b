"""What a run is built of beside its agent: the device and the environments."""

from __future__ import annotations

from typing import Any

import torch

from engram.agents.stored.build import build_maker
from engram.common.nested import merged
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


def build_env(config: dict[str, Any], num_envs: int, name: str = "env") -> VectorEnv:
    """Build the environments that a configuration describes.

    Args:
        config: plain mapping with `env`, `device` and `allow`.
        num_envs: how many.
        name: of the option that describes them, for messages.

    Raises:
        ValueError: if they are none of Engram's kind, or refuse an option.
    """
    make_env = build_maker(config["env"], name, ["num_envs", "device"], config["allow"])
    check_vector_env(getattr(make_env, "func", make_env))
    env = make_env(num_envs=num_envs, device=config["device"])
    check_vector_env(env)
    return env


def build_evaluation_env(config: dict[str, Any], env: VectorEnv) -> VectorEnv | None:
    """Build the environments of a run's evaluations.

    Args:
        config: plain mapping as for `build_env`, and with `evaluation`.
        env: in which the run is trained.

    Returns:
        None if there are no evaluations.

    Raises:
        ValueError: as for `build_env`, or if they have other spaces than `env`.
    """
    evaluation = config["evaluation"]
    if not evaluation["interval"]:
        return None
    described = {**config, "env": merged(config["env"], evaluation["env"])}
    own = build_env(described, evaluation["num_envs"], "evaluation.env" if evaluation["env"] else "env")
    for space in ("observation_space", "action_space"):
        expected, got = (getattr(one, f"single_{space}") for one in (env, own))
        if expected != got:
            own.close()
            raise ValueError(
                "An agent is evaluated where observations and actions are those of its training: expected the "
                f"{space} {expected}, but got {got}; give evaluation.env other arguments."
            )
    return own
