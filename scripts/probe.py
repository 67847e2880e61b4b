"""The memory probe: return against an argument of the environment, such as the recall distance."""

from __future__ import annotations

from typing import Any

from scripts.errors import UsageError


def probe_values(
    trained_env: dict[str, Any], probed_env: dict[str, Any], argument: str, values: list[Any]
) -> tuple[list[float], float | None]:
    """Check what is to be probed.

    Args:
        trained_env: the run's `env` configuration.
        probed_env: the same with the arguments given for the evaluation.
        argument: name of a numeric argument of the environment; `kwargs.k` reaches inside `kwargs`.
        values: what to try; empty means 1/4, 1/2, 1, 2 and 4 times the trained value.

    Returns:
        The values in rising order, and the value the agent was trained with if it is known.

    Raises:
        UsageError: if the environment has no such numeric argument, or a value is not a number.
    """
    numeric = [key for key, value in _flat(probed_env).items() if _is_number(value)]
    if argument not in numeric:
        raise UsageError(
            f"A probe varies a numeric argument of the run's environment, one of {', '.join(numeric) or '(none)'}, "
            f"but got {argument!r}; set probe.argument to one of these."
        )
    trained = _flat(trained_env).get(argument)
    if not values:
        middle = _flat(probed_env)[argument]
        values = sorted({max(1, int(middle * factor)) for factor in (0.25, 0.5, 1, 2, 4)})
    bad = [value for value in values if not _is_number(value)]
    if bad:
        raise UsageError(f"A probe's values must be numbers, but got {bad[0]!r}; set probe.values=[4,8,16].")
    return sorted(values), trained


def with_argument(env: dict[str, Any], argument: str, value: float) -> dict[str, Any]:
    """Copy an environment's configuration with one argument, possibly inside `kwargs`, set to `value`."""
    head, _, rest = argument.partition(".")
    return {**env, head: with_argument(env[head], rest, value) if rest else value}


def _flat(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value by its dotted name."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
