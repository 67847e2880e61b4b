"""What is known of a task: its versions, its ids, and what chance is worth in it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from engram.common.checked import check_names
from engram.common.errors import unknown_option
from engram.common.ids import import_package
from engram.common.vector_env import VectorEnv
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.native import NativeVectorEnv
from engram.envs.render_modes import draws

_COMMON = ("num_envs", "device", "env_index_offset")


@dataclass(frozen=True)
class PackageVersion:
    """A task as a package has it, through Gymnasium.

    Attributes:
        id: registered; `module:id` imports the module first, also in a worker process that starts from nothing.
        needs: packages that must be there.
        options: of `GymnasiumEnv`, where none are given.
        spec: arguments of `gymnasium.register`; None for what the package registers itself.
    """

    id: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Task:
    """One entry of the table of environments (`engram.envs.table`).

    Attributes:
        name: short name, `<family>/<name>`: what `env=` takes.
        native: class of the native version; None where the package alone has the task.
        fixed: options of the native version that are the task.
        preset: options of the native version that may be given otherwise.
        general: name of the task whose options are free, for a task that has none; None where its own are free.
        ids: under which the native version is registered with Gymnasium, the first of which others stand for.
        package: the package's version; None where the task is native alone.
        chance_return: mean return of uniformly random actions; None if it is not known, or depends on options. Where
            options are given, it is the native class that knows it, or nobody.
        is_scaled: its returns lie in [-1, 1], so that they may be averaged with other tasks' as they are.
    """

    name: str
    native: type[NativeVectorEnv] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    preset: Mapping[str, Any] = field(default_factory=dict)
    general: str | None = None
    ids: tuple[str, ...] = ()
    package: PackageVersion | None = None
    chance_return: float | None = None
    is_scaled: bool = False

    def make_native(
        self,
        num_envs: int,
        kwargs: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
        env_index_offset: int = 0,
    ) -> NativeVectorEnv:
        """Make the native version.

        Args:
            num_envs: number of environments B.
            kwargs: options of the task.
            given: options of `GymnasiumEnv`; the native version has one by an argument of its name, and `render_mode`
                also by drawing pictures.
            device: of the rows.
            env_index_offset: as for `GymnasiumEnv`.

        Raises:
            ValueError: if there is none.
            UnknownOptionError: if it has no such option.
        """
        if self.native is None:
            raise ValueError(
                f"A native version is taken where there is one, but {self.name} has none: take the package's with "
                "backend=package."
            )
        kwargs, given = dict(kwargs or {}), dict(given or {})
        parameters = inspect.signature(self.native).parameters
        self._check_options(kwargs, [name for name in parameters if name not in (*_COMMON, *self.fixed)])
        if given.get("render_mode") == "rgb_array" and draws(self.native):
            del given["render_mode"]  # it draws without being asked
        for option, value in given.items():
            if option not in parameters:
                other = ", or take the package's with backend=package" if self.package else ""
                raise unknown_option(
                    f"The native version of {self.name} has no option {option}, but got {option}={value!r}: leave it "
                    f"out{other}.",
                    option,
                )
        options = {**self.fixed, **self.preset, **kwargs, **given}
        env = self.native(num_envs, device=device, env_index_offset=env_index_offset, **options)
        self._describe(env, has_options=bool(kwargs))
        return env

    def make_package(self, num_envs: int, **options: Any) -> GymnasiumEnv:
        """Make the package's version.

        Args:
            num_envs: number of environments B.
            **options: of `GymnasiumEnv`.

        Raises:
            ValueError: if there is none, or what it needs is not installed.
        """
        if self.package is None:
            raise ValueError(
                f"A package's version is taken where there is one, but {self.name} has none: take the native one with "
                "backend=native."
            )
        for package in self.package.needs:
            import_package(package, f"task {self.name!r}")
        env = GymnasiumEnv(self.package.id, num_envs, name=self.name, **{**self.package.options, **options})
        self._describe(env, has_options=bool(options.get("kwargs")))
        return env

    def _check_options(self, kwargs: Mapping[str, Any], known: Sequence[str]) -> None:
        """Refuse options that the task does not have."""
        if self.general is None:
            check_names(kwargs, known, self.name)
        elif kwargs:
            raise unknown_option(
                f"{self.name} takes no options, but got kwargs={kwargs}: give them to {self.general}.",
                next(iter(kwargs)),
            )

    def _describe(self, env: VectorEnv, has_options: bool) -> None:
        """Tell an environment what is known of it."""
        env.name = self.name
        if self.chance_return is not None and not has_options:
            env.chance_return = self.chance_return
