"""What uniformly random actions are worth in a task of the table, read from its options alone: nothing is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from engram.common.vector_env import VectorEnv
from engram.envs.ballet.ballet import CHANCE_RETURNS as OF_BALLET
from engram.envs.ballet.ballet import Ballet
from engram.envs.diagnostic import (
    Bandit,
    CopySequence,
    DiscountingChain,
    MemoryChain,
    Parity,
    Permutations,
    RecallFirst,
    RecallPairs,
    TMaze,
)
from engram.envs.diagnostic.t_maze_chance import random_walk_return
from engram.envs.table import TASKS
from engram.envs.tvt import KeyToDoor, VisualMatch
from engram.envs.tvt.key_to_door import CHANCE_RETURNS as OF_KEY_TO_DOOR
from engram.envs.tvt.visual_match import CHANCE_RETURNS as OF_VISUAL_MATCH

Options = Mapping[str, Any]
# What changes how a task is run or shown, and not what random actions are worth.
_OUTWARD = ("_target_", "_partial_", "name", "vectorization", "start_method", "worker_timeout", "render_mode")
_AROUND = ("trials", "projection", "observable", "action", "max_episode_steps", "kwargs", "backend")


def chance_return(name: str, options: Options) -> float | None:
    """Return the mean return of uniformly random actions, as the environment itself would state it.

    Args:
        name: of the task, such as `diagnostic/recall_first`.
        options: what its maker is given, as a run's `config.yaml` holds them under `env`; they may be anything.

    Returns:
        The mean; None where there is no such task, or nobody knows of one with these options.
    """
    task = TASKS.get(name)
    if task is None or task.native is None or not _is_plain(options, task.native):
        return None
    own = {key: value for key, value in options.items() if key not in (*_OUTWARD, *_AROUND)}
    kwargs = options.get("kwargs") or {}
    try:
        found = task.chance_return
        if found is None or own or kwargs:
            found = _FORMULAS[task.native](
                {**_defaults(task.native), **task.fixed, **task.preset, **own, **kwargs}
            )
        trials = options.get("trials")
        return found if found is None or trials is None else _whole({"trials": trials}, "trials") * found
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def _is_plain(options: Options, native: type[VectorEnv]) -> bool:
    """Whether actions mean what they mean in the task, and episodes are as long.

    A preset may say for all tasks how numbers become actions; a task that is told by choices has nothing to convert.
    """
    converts = "action" in inspect.signature(native).parameters
    projection = options.get("projection") or {}
    action = projection.get("action") if isinstance(projection, Mapping) else projection
    return (
        (not converts or options.get("action") in (None, "auto"))
        and options.get("max_episode_steps") is None
        and action in (None, "permuted")
    )


def _defaults(native: type[VectorEnv]) -> dict[str, Any]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(native).parameters.items()
        if parameter.default is not parameter.empty
    }


def _whole(options: Options, key: str, least: int = 1) -> int:
    """An option that must be a whole number of at least `least`.

    Raises:
        ValueError: if it is not.
    """
    value = options[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"{key} must be a whole number of at least {least}, but got {value!r}; the options are damaged."
        )
    return value


def _guess(key: str) -> Callable[[Options], float]:
    """1 for a right answer, -1 for a wrong one, of as many as an option says."""
    return lambda options: 2.0 / _whole(options, key, 2) - 1.0


def _of_t_maze(options: Options) -> float | None:
    length, penalty = _whole(options, "corridor_length"), options["penalty"]
    if penalty is not None and (not isinstance(penalty, int | float) or not -1e100 < penalty <= 0):
        return None
    return random_walk_return(
        length, _whole(options, "oracle_length", 0), -1.0 / length if penalty is None else penalty
    )


def _of_apples(known: Mapping[int, float]) -> Callable[[Options], float | None]:
    return lambda options: known.get(_whole(options, "delay")) if options["num_apples"] == 10 else None


_FORMULAS: dict[type[VectorEnv], Callable[[Options], float | None]] = {
    Bandit: lambda options: _whole(options, "num_pulls") / 2,
    Ballet: lambda options: OF_BALLET.get((_whole(options, "num_dancers"), _whole(options, "delay"))),
    CopySequence: _guess("num_symbols"),
    DiscountingChain: lambda options: 1.02,
    KeyToDoor: _of_apples(OF_KEY_TO_DOOR),
    MemoryChain: lambda options: 0.0,
    Parity: lambda options: 0.0,
    Permutations: lambda options: 2.0 / 5 - 1.0,
    RecallFirst: _guess("num_symbols"),
    RecallPairs: _guess("num_values"),
    TMaze: _of_t_maze,
    VisualMatch: _of_apples(OF_VISUAL_MATCH),
}
