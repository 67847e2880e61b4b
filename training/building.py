"""What a run is built of beside its agent: the device and the environments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from engram.agents.stored.build import build, build_maker, find_target
from engram.common.checked import check_arguments
from engram.common.nested import merged
from engram.envs import NativeVectorEnv, VectorEnv
from engram.envs.given import GivenEnv
from engram.envs.make import check_vector_env
from engram.envs.wrappers import WRAPPING, wrapped

GIVEN = "_given_"
"""Marks, in a description, an environment that was given as an object or a function: no file can hold it."""

_NO_OPTIONS = (GIVEN, "_target_", "_partial_", "id", "name", "make")


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


def build_env(
    config: dict[str, Any],
    num_envs: int,
    name: str = "env",
    given: GivenEnv | None = None,
    first_index: int | None = None,
) -> VectorEnv:
    """Build the environments that a configuration describes.

    Args:
        config: plain mapping with `env`, `device` and `allow`.
        num_envs: how many.
        name: of the option that describes them, for messages.
        given: makes them, where the configuration says that they were given as an object or a function.
        first_index: number of the first of them, where other processes have others; None: there are no others.

    Raises:
        ValueError: if they are none of Engram's kind, refuse an option, or are not given again.
    """
    if config["env"].get(GIVEN) is True:
        return _build_given(config, num_envs, given)
    if not config["env"]:
        raise ValueError(
            "An agent that was made and saved by hand has no environment of its own, but none was given; give one: "
            "engram.Run(…, env=…).evaluate(), or env._target_=… env._partial_=true and its options."
        )
    description, around = _apart(config["env"], config["allow"], name)
    place = {} if first_index is None else {"env_index_offset": first_index}
    make_env = build_maker(description, name, ["num_envs", "device", *place], config["allow"])
    check_vector_env(getattr(make_env, "func", make_env))
    env = make_env(num_envs=num_envs, device=config["device"], **place)
    check_vector_env(env)
    if first_index is not None and not env.divides:
        env.close()
        raise ValueError(
            f"Processes share a run of environments that know their numbers, but {env.name} is none of these; derive "
            "it from engram.envs.NativeVectorEnv, or train it in one process."
        )
    return wrapped(env, **around)


def _apart(
    described: dict[str, Any], allow: Sequence[str], name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take from a native class's options those of what is put around it; `make_env` has both itself."""
    asked = {option: described[option] for option in WRAPPING if option in described}
    kind = find_target(str(described.get("_target_")), allow) if asked else None
    if not inspect.isclass(kind) or not issubclass(kind, NativeVectorEnv):
        return described, {}
    own = {option: value for option, value in described.items() if option not in asked}
    return own, check_arguments(wrapped, asked, kind.__name__, f"{name}.")


def describe_given(given: GivenEnv, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe an environment that was given as an object or a function, as far as a file can hold it.

    Args:
        given: the environment.
        stored: a run's description; options of an environment that was given to it as well are kept.
    """
    if given.make_one is None:
        return {"_target_": given.name, "_partial_": True, GIVEN: True}
    own = {"_target_": "engram.envs.GymnasiumEnv", "_partial_": True, "id": given.name, GIVEN: True}
    is_alike = stored is not None and stored.get(GIVEN) is True and stored["_target_"] == own["_target_"]
    return {**(stored or {} if is_alike else {}), **own, **given.options}


def own_description(described: Mapping[str, Any]) -> dict[str, Any]:
    """What of an environment's description is built: all, or the options beside the name of one that was given."""
    is_given = described.get(GIVEN) is True
    return {
        name: value
        for name, value in described.items()
        if not is_given or name not in (GIVEN, "id", "_target_")
    }


def _build_given(config: dict[str, Any], num_envs: int, given: GivenEnv | None) -> VectorEnv:
    """Build environments of which a configuration holds the name and the options of `GymnasiumEnv`."""
    described = own_description(config["env"])
    if given is None:
        name = config["env"].get("id", config["env"]["_target_"])
        raise ValueError(
            f"The environment {name!r} was given from Python, as an object or a function that no file can hold, so it "
            f"must be given again: engram.train(resume=…, env=…) continues the run, engram.Run(…, env=…) evaluates it."
        )
    options = build(
        {name: value for name, value in described.items() if name != "_partial_"}, config["allow"]
    )
    return given.make(num_envs, config["device"], **options)


def build_evaluation_env(
    config: dict[str, Any], env: VectorEnv, given: GivenEnv | None = None
) -> VectorEnv | None:
    """Build the environments of a run's evaluations.

    Args:
        config: plain mapping as for `build_env`, and with `evaluation`.
        env: in which the run is trained.
        given: as for `build_env`.

    Returns:
        None if there are no evaluations.

    Raises:
        ValueError: as for `build_env`, or if they have other spaces than `env`.
    """
    evaluation = config["evaluation"]
    if not evaluation["interval"]:
        return None
    described = {**config, "env": merged(config["env"], evaluation["env"])}
    option = "evaluation.env" if evaluation["env"] else "env"
    own = build_env(described, evaluation["num_envs"], option, given)
    for space in ("observation_space", "action_space"):
        expected, got = (getattr(one, f"single_{space}") for one in (env, own))
        if expected != got:
            own.close()
            raise ValueError(
                "An agent is evaluated where observations and actions are those of its training: expected the "
                f"{space} {expected}, but got {got}; give evaluation.env other arguments."
            )
    return own
