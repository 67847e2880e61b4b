"""What an experiment says about its own agent, when the command chooses another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any


def drop_options_of_other_agent(
    values: dict[str, Any], known: Collection[str], words: Sequence[str]
) -> list[str]:
    """Take from the agent's options, in place, those that another agent has and this one has not.

    An experiment names its agent's settings; those that both agents have go on to hold.

    Args:
        values: a composed configuration; changed.
        known: every option that there is without the experiment, by its dotted key.
        words: `key=value` of the command; what it gives itself stays, to be refused.

    Returns:
        The dotted keys that were taken out.
    """
    given = {word.lstrip("+").partition("=")[0] for word in words}
    dropped: list[str] = []
    if isinstance(values.get("agent"), dict):
        _drop(values["agent"], "agent.", {*known, *given}, dropped)
    return dropped


def note_of(dropped: Sequence[str], agent: str, experiment: str) -> str:
    """Say in one sentence what was left out."""
    return f"options of experiment={experiment} that agent={agent} does not have were left out: {', '.join(dropped)}"


def _drop(options: dict[str, Any], prefix: str, kept: Collection[str], dropped: list[str]) -> None:
    """Drop what is not kept and holds nothing that is."""
    for name in list(options):
        key, value = f"{prefix}{name}", options[name]
        if key not in kept and not any(one.startswith(f"{key}.") for one in kept):
            dropped.append(key)
            del options[name]
        elif isinstance(value, dict) and value and any(one.startswith(f"{key}.") for one in kept):
            _drop(value, f"{key}.", kept, dropped)
