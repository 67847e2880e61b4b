"""Environments that are given as objects or functions: whatever a caller has, as something that makes rows."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from engram.common.vector_env import VectorEnv
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.gymnasium_vector import GymnasiumVectorEnv, copied
from engram.envs.make import make_gymnasium
from engram.envs.table import TASKS, make_env


@dataclass(frozen=True)
class GivenEnv:
    """An environment that was given as an object or a function.

    Attributes:
        name: what it is known by; it is all of it that a run can store.
        make_one: makes single environment number i; None if only a batch can be made.
        make_batch: makes a batch of `num_envs` on `device`; None if `make_one` is there.
        num_envs: of the object that was given; None for a function.
        is_fixed: whether a batch has this size and no other.
        options: of `GymnasiumEnv` that come with it.
    """

    name: str
    make_one: Callable[[int], gymnasium.Env[Any, Any]] | None = None
    make_batch: Callable[..., VectorEnv] | None = None
    num_envs: int | None = None
    is_fixed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, num_envs: int, device: torch.device | str, **options: Any) -> VectorEnv:
        """Make the environments of a run.

        Args:
            num_envs: how many.
            device: of the rows.
            **options: of `GymnasiumEnv`, where single environments are made.

        Raises:
            ValueError: if there can be no batch of this size, or what is made is no environment.
        """
        if self.is_fixed and num_envs != self.num_envs:
            raise ValueError(
                f"A vector environment that is given as an object keeps its size: expected num_envs={self.num_envs} "
                f"for {self.name}, but got {num_envs}; give a function that makes one for any number, or set both "
                "num_envs and evaluation.num_envs to its size."
            )
        if self.make_one is not None:
            return GymnasiumEnv(
                self.name, num_envs, name=self.name, make=self.make_one, device=device, **options
            )
        assert self.make_batch is not None
        env = self.make_batch(num_envs=num_envs, device=device)
        if not isinstance(env, VectorEnv):
            raise ValueError(
                f"A function of num_envs and device must make an engram.envs.VectorEnv, but {self.name} made {env!r}; "
                "without these arguments it may make one gymnasium.Env."
            )
        return env


def given_env(env: Any) -> GivenEnv:
    """Take an environment as a caller has it; objects are played in copies, and stay as they are.

    Args:
        env: a gymnasium.Env, a gymnasium.vector.VectorEnv, an `engram.envs.VectorEnv`, a function or class that makes
            one gymnasium.Env of no arguments, or one that makes an `engram.envs.VectorEnv` of `num_envs` and `device`;
            a mapping with one of these under `make`, a `name` and options of `GymnasiumEnv`; or the name of a task or
            an id of Gymnasium's.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(env, GivenEnv):
        return env
    if isinstance(env, str):
        return _named(env)
    if isinstance(env, Mapping) and "make" in env:
        options = {key: value for key, value in env.items() if key not in ("make", "name")}
        made = given_env(env["make"])
        name = _as_name(str(env.get("name", made.name)))
        return replace(made, name=name, options={**made.options, **options})
    name = name_of(env)
    if isinstance(env, VectorEnv):
        batch = functools.partial(_copy_batch, env, name)
        return GivenEnv(name, make_batch=batch, num_envs=env.num_envs, is_fixed=True)
    if isinstance(env, SyncVectorEnv | AsyncVectorEnv):
        makers, kind = list(env.env_fns), "async" if isinstance(env, AsyncVectorEnv) else "sync"
        one = functools.partial(_call_one, makers)
        return GivenEnv(name, one, num_envs=env.num_envs, options={"vectorization": kind})
    if isinstance(env, gymnasium.vector.VectorEnv):
        batch = functools.partial(_wrap_vector, env, name)
        return GivenEnv(name, make_batch=batch, num_envs=env.num_envs, is_fixed=True)
    if isinstance(env, gymnasium.Env):
        return GivenEnv(name, lambda index: copied(env, name))
    if not callable(env):
        raise ValueError(
            "An environment must be given by its name, as an object (gymnasium.Env, gymnasium.vector.VectorEnv, "
            f"engram.envs.VectorEnv) or as a function that makes one, but got {env!r}; give one of these."
        )
    if _takes_num_envs(env):
        return GivenEnv(name, make_batch=env)
    return GivenEnv(name, lambda index: env())


def _named(name: str) -> GivenEnv:
    """A task of the table, or a registered environment of Gymnasium's."""
    if name in TASKS:
        return GivenEnv(name, make_batch=functools.partial(make_env, name))
    return GivenEnv(name, lambda index: make_gymnasium(name))


def name_of(env: Any) -> str:
    """What an environment is known by: its registered id, or the name of its class or function."""
    if isinstance(env, VectorEnv):
        return env.name
    spec = getattr(env, "spec", None) if isinstance(env, gymnasium.Env | gymnasium.vector.VectorEnv) else None
    if spec is None and isinstance(env, SyncVectorEnv | AsyncVectorEnv):
        env = env.env_fns[0]
    found = spec.id if spec is not None else _own_name(env)
    return _as_name(found)


def _as_name(text: str) -> str:
    """A name that a folder may have."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "env"


def _own_name(env: Any) -> str:
    """The name of a class or function, `env` for one without."""
    if isinstance(env, gymnasium.Env):
        env = type(env.unwrapped)
    elif isinstance(env, functools.partial):
        return _own_name(env.func)
    name = str(getattr(env, "__name__", type(env).__name__))
    return "env" if name == "<lambda>" else name


def _takes_num_envs(make: Callable[..., Any]) -> bool:
    try:
        return "num_envs" in inspect.signature(make).parameters
    except (TypeError, ValueError):  # a class of C
        return False


def _call_one(makers: list[Callable[[], Any]], index: int) -> Any:
    return makers[index % len(makers)]()


def _copy_batch(env: VectorEnv, name: str, num_envs: int, device: torch.device | str) -> VectorEnv:
    if env.device != torch.device(device):
        raise ValueError(
            f"A run's environments must live on its device, but {name} lives on {env.device} and the run's is "
            f"{device}; make it there."
        )
    made: VectorEnv = copied(env, name)
    return made


def _wrap_vector(
    env: gymnasium.vector.VectorEnv[Any, Any, Any], name: str, num_envs: int, device: torch.device | str
) -> VectorEnv:
    return GymnasiumVectorEnv(env, name, device=device)
