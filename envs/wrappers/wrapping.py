"""What may be put around any native environment, by its options on the command line."""

from __future__ import annotations

from engram.common.checked import checked
from engram.common.option_types import Count
from engram.common.vector_env import VectorEnv
from engram.envs.native import NativeVectorEnv
from engram.envs.wrappers.observable import Observable
from engram.envs.wrappers.projected import Projected
from engram.envs.wrappers.projection import NO_PROJECTION, Projection
from engram.envs.wrappers.trials import Trials

WRAPPING = ("trials", "projection", "observable")
"""The options of `wrapped`: any native environment takes them, as `env.trials=4`, beside its own."""


@checked
def wrapped(
    env: VectorEnv,
    trials: Count | None = None,
    projection: Projection = NO_PROJECTION,
    observable: bool = False,
) -> VectorEnv:
    """Put around a native environment what its user asks for.

    Args:
        env: the environment.
        trials: play so many episodes of one fixed task as one, the memory kept (RL²); null plays single episodes.
        projection: show observations, and take actions, through random linear maps of every episode or trial.
        observable: show what the task hides beside its observation: the twin that needs no memory.

    Returns:
        The environment itself where nothing is asked for.

    Raises:
        ValueError: if it is none of Engram's natives, or its spaces do not allow it.
    """
    given = {
        "trials": trials is not None,
        "projection": projection != NO_PROJECTION,
        "observable": observable,
    }
    asked = next((option for option, is_given in given.items() if is_given), None)
    if asked is None:
        return env
    if not isinstance(env, NativeVectorEnv):
        raise ValueError(
            f"{asked} is an option of native environments, but {env.name} is {type(env).__name__}: leave it out, or "
            "take a task that Engram has natively."
        )
    if observable:
        env = Observable(env)
    if projection != NO_PROJECTION:
        env = Projected(env, projection)
    return env if trials is None else Trials(env, trials)
