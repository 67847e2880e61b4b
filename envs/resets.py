"""How environments of Gymnasium's are reset: with a seed, with options, and with the process' generators guarded."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from engram.common.errors import EnvironmentFault


@dataclass(frozen=True)
class Resets:
    """How environments are reset.

    Attributes:
        options: what each reset gets as `options`; none of it: None, as ever.
        guard_global_random: seed the process' `random` and `numpy.random` for the time of each reset and put
            them back afterwards, for environments that draw from these instead of their own generator.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    guard_global_random: bool = False

    def of(self, env: gymnasium.Env[Any, Any]) -> Callable[[int], Any]:
        """The function from an episode's seed to what the reset of an environment returns."""

        def reset(seed: int) -> Any:
            # A copy, because an environment may write to what it is given.
            return env.reset(seed=seed, options=copy.deepcopy(dict(self.options)) or None)

        def guarded(seed: int) -> Any:
            with _seeded_global_random(seed):
                return reset(seed)

        begin = guarded if self.guard_global_random else reset
        return self._told(begin, env) if self.options else begin

    def _told(self, reset: Callable[[int], Any], env: gymnasium.Env[Any, Any]) -> Callable[[int], Any]:
        """The same, which says what was given where the first reset refuses it."""
        is_taken = False

        def told(seed: int) -> Any:
            nonlocal is_taken
            if is_taken:
                return reset(seed)
            try:
                result = reset(seed)
                is_taken = True
                return result
            except (AssertionError, KeyError, TypeError, ValueError, IndexError) as error:
                name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
                said = f"{type(error).__name__}: {error}".rstrip(". ")
                raise EnvironmentFault(
                    f"The reset of {name} must take the options it is given, but with {dict(self.options)} it says "
                    f"{said}; correct env.reset_options."
                ) from error

        return told


@contextmanager
def _seeded_global_random(seed: int) -> Iterator[None]:
    """Seed the process' generators within the block only."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
