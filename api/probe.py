"""The memory probe: return against an argument of the environment, such as the recall distance."""

from __future__ import annotations

from typing import Any

from engram.common.errors import UsageError
from engram.common.nested import dotted


def probe_values(
    trained_env: dict[str, Any], probed_env: dict[str, Any], argument: str, values: list[Any]
) -> tuple[list[float], float | None]:
    """Check what is to be probed.

    Args:
        trained_env: the run's `env` configuration.
        probed_env: the same with the arguments given for the evaluation.
        argument: name of a numeric argument of the environment; `kwargs.k` reaches inside `kwargs`, also where the
            run left it at its default.
        values: what to try; empty means 1/4, 1/2, 1, 2 and 4 times the value the environment has.

    Returns:
        The values in rising order, each once, and the value the agent was trained with if it is known.

    Raises:
        UsageError: if the environment has no such numeric argument, or a value is not a number.
    """
    numeric = {key: value for key, value in dotted(probed_env).items() if _is_number(value)}
    in_kwargs = argument.startswith("kwargs.") and argument not in dotted(probed_env)
    if argument not in numeric and not (in_kwargs and values):
        raise UsageError(_no_argument(argument, list(numeric), in_kwargs))
    bad = [value for value in values if not _is_number(value)]
    if bad:
        raise UsageError(f"A probe's values must be numbers, but got {bad[0]!r}; set probe.values=[4,8,16].")
    trained = dotted(trained_env).get(argument)
    return sorted(set(values or _around(argument, numeric[argument]))), trained


def _no_argument(argument: str, numeric: list[str], in_kwargs: bool) -> str:
    """Say what can be probed."""
    if in_kwargs:
        return (
            f"A probe tries values around the one in training, but the run left {argument} at its default, which is "
            "not known; set probe.values=[4,8,16]."
        )
    if not numeric:
        return (
            f"A probe varies a numeric argument of the run's environment, which has none, but got {argument!r}; name "
            "one of its own as kwargs.<name> and set probe.values=[4,8,16]."
        )
    return (
        f"A probe varies a numeric argument of the run's environment, one of {', '.join(numeric)}, "
        f"but got {argument!r}; set probe.argument to one of these."
    )


def _around(argument: str, middle: float) -> list[float]:
    """Values around one, of its kind."""
    if middle <= 0:
        raise UsageError(
            f"A probe tries 1/4 to 4 times the value in training, but {argument} is {middle}; set probe.values=[1,2,4]."
        )
    scaled = [middle * factor for factor in (0.25, 0.5, 1, 2, 4)]
    return [max(1, int(value)) for value in scaled] if isinstance(middle, int) else scaled


def with_argument(env: dict[str, Any], argument: str, value: float) -> dict[str, Any]:
    """Copy an environment's configuration with one argument, possibly inside `kwargs`, set to `value`."""
    head, _, rest = argument.partition(".")
    return {**env, head: with_argument(env.get(head) or {}, rest, value) if rest else value}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
