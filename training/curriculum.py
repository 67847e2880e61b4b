"""A curriculum: an argument of the environment that takes its next value once the agent has learnt the last one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from engram.common.checked import require
from engram.common.nested import merged
from engram.common.ranks import Ranks
from engram.common.state_form import Kind, ListOf, Whole
from engram.common.vector_env import VectorEnv
from engram.envs.given import GivenEnv
from engram.training.building import build_env


class Curriculum:
    """Where a run stands in its curriculum.

    A stage is over once so many episodes of training have ended in it, and the mean return of the last ones reaches the
    level. It is asked before a rollout, so that a rollout is of one stage.

    Args:
        argument: of the environment, `delay` or `kwargs.k`.
        values: of the argument, in turn.
        raise_at_return: the level.
        episodes: how many are the last ones.

    Raises:
        ValueError: if these do not go together.

    Attributes:
        stage: number of the value at present.
    """

    def __init__(
        self, argument: str, values: Sequence[Any], raise_at_return: float | None, episodes: int
    ) -> None:
        where = "curriculum."
        rule = f"two or more values of {argument}, in turn"
        require(len(values) > 1, "values", rule, list(values), prefix=where)
        rule = "a number where curriculum.argument is given"
        require(raise_at_return is not None, "raise_at_return", rule, raise_at_return, prefix=where)
        assert raise_at_return is not None
        self.argument, self.values = argument, list(values)
        self.raise_at_return, self.episodes = raise_at_return, episodes
        self.stage = 0
        self._returns: list[float] = []

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Curriculum | None:
        """Make that of a configuration's `curriculum`; None if it has none."""
        if options.get("argument") is None:
            values = options.get("values")
            rule = "empty where curriculum.argument is null"
            require(not values, "values", rule, values, prefix="curriculum.")
            return None
        return cls(**options)

    @property
    def value(self) -> Any:
        """Of the argument at present."""
        return self.values[self.stage]

    def put(self, env: Mapping[str, Any], value: Any) -> dict[str, Any]:
        """Return the description of an environment with a value of the argument, possibly inside of its `kwargs`."""
        given = value
        for key in reversed(self.argument.split(".")):
            given = {key: given}
        return merged(env, given)

    def note(self, returns: Sequence[float]) -> None:
        """Take note of episodes of training that have ended."""
        self._returns = [*self._returns, *returns][-self.episodes :]

    def is_learnt(self) -> bool:
        """Tell whether the next stage is due."""
        is_last = self.stage + 1 == len(self.values)
        if is_last or len(self._returns) < self.episodes:
            return False
        return statistics.fmean(self._returns) >= self.raise_at_return

    def go_on(self) -> None:
        """Begin the next stage."""
        self.stage, self._returns = self.stage + 1, []

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to continue, as JSON values."""
        return {"stage": self.stage, "returns": list(self._returns)}

    def state_form(self) -> dict[str, Any]:
        """What a stored one must look like (`engram.common.state_form`)."""
        return {"stage": Whole(high=len(self.values) - 1), "returns": ListOf(Kind(float))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.stage, self._returns = state["stage"], list(state["returns"])


def check_stages(
    curriculum: Curriculum, config: Mapping[str, Any], env: VectorEnv, given: GivenEnv | None
) -> None:
    """Refuse a curriculum that would break off, or go where the agent cannot, before anything is trained.

    Raises:
        ValueError: names the value.
    """
    for value in curriculum.values[1:]:
        own = build_env(
            at_value(config, curriculum, value),
            config["num_envs"] if given is not None and given.is_fixed else 1,
            given=given,
        )
        spaces = [(one.single_observation_space, one.single_action_space) for one in (env, own)]
        own.close()
        if spaces[0] != spaces[1]:
            raise ValueError(
                f"A curriculum keeps what an agent sees and does: expected {spaces[0]} at every value of "
                f"{curriculum.argument}, but got {spaces[1]} at {value!r}; give other curriculum.values."
            )


def training_env(
    config: Mapping[str, Any], curriculum: Curriculum | None, given: GivenEnv | None, ranks: Ranks
) -> VectorEnv:
    """Build this process's environments of a run's training, in the stage of its curriculum."""
    described = dict(config) if curriculum is None else at_value(config, curriculum, curriculum.value)
    num_envs = config["num_envs"] // ranks.count
    first = ranks.rank * num_envs if ranks.is_many else None
    return build_env(described, num_envs, given=given, first_index=first)


def at_value(config: Mapping[str, Any], curriculum: Curriculum, value: Any) -> dict[str, Any]:
    """Return a configuration whose environment has a value of the curriculum's argument."""
    return {**config, "env": curriculum.put(config["env"], value)}
