"""The rules for options that belong to no class of their own, checked before anything is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engram.agents.arguments import whole_number
from engram.scripts.errors import UsageError


def as_given(value: Any) -> Any:
    """Read a value as what it is."""
    return value


@dataclass(frozen=True)
class Rule:
    """What an option must be.

    Attributes:
        expected: the rule in words, after "must be".
        holds: whether a value follows it.
        example: a value that does.
        read: turns what was given into what is meant, before it is held against the rule.
    """

    expected: str
    holds: Callable[[Any], bool]
    example: str
    read: Callable[[Any], Any] = as_given


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def or_null(rule: Rule) -> Rule:
    """Allow null beside what a rule allows."""
    return replace(
        rule, expected=f"{rule.expected}, or null", holds=lambda value: value is None or rule.holds(value)
    )


def whole(expected: str, holds: Callable[[int], bool], example: str) -> Rule:
    """A whole number, which may be written `1e6`."""
    return Rule(expected, lambda value: _is_whole(value) and holds(value), example, whole_number)


def count(example: str) -> Rule:
    """A number of things."""
    return whole("a whole number of at least 1", lambda value: value >= 1, example)


COUNT = count("8")
SEED = whole("a whole number from 0 to 2**63 - 1", lambda value: 0 <= value < 2**63, "0")
NUMBER = Rule("a number", _is_number, "1.0")
POSITIVE = Rule("a number above 0", lambda value: _is_number(value) and value > 0, "1.0")
SWITCH = Rule("true or false", lambda value: isinstance(value, bool), "true")
WORD = Rule("a word", lambda value: isinstance(value, str) and value != "", "<name>")
MAPPING = Rule("a group of options", lambda value: isinstance(value, Mapping), "<option>")
PACKAGES = Rule(
    "a list of package names",
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "[my_package]",
)
LIST = Rule("a list", lambda value: isinstance(value, list), "[4,8,16]")
NAMES = Rule(
    "all, or a list of names",
    lambda v: v == "all" or (isinstance(v, list) and len(v) > 0 and all(isinstance(n, str) for n in v)),
    "[lstm,s5]",
)
WORDS = Rule(
    "a list of one or more words",
    lambda v: isinstance(v, list) and len(v) > 0 and all(isinstance(word, str) for word in v),
    "[<name>]",
)
COUNTS = Rule(
    "a list of whole numbers of at least 1",
    lambda value: isinstance(value, list) and all(COUNT.holds(part) for part in value),
    "[32,128]",
    lambda value: [whole_number(part) for part in value] if isinstance(value, list) else value,
)
RATES = Rule(
    "a list of numbers from 0 to 1",
    lambda v: isinstance(v, list) and len(v) > 0 and all(_is_number(part) and 0 <= part <= 1 for part in v),
    "[0,0.03]",
)
DTYPE = Rule("float32 or bfloat16", lambda value: value in ("float32", "bfloat16"), "float32")

TRAIN = {
    "agent": MAPPING,
    "core": MAPPING,
    "env": MAPPING,
    "seed": SEED,
    "num_envs": count("64"),
    "total_env_steps": count("1_000_000"),
    "schedule_env_steps": count("1_000_000"),
    "device": WORD,
    "capture": SWITCH,
    "threads": count("1"),
    "evaluation.every": or_null(count("100_000")),
    "evaluation.episodes": count("100"),
    "evaluation.num_envs": count("20"),
    "evaluation.max_episode_steps": or_null(count("10_000")),
    "evaluation.deterministic": SWITCH,
    "evaluation.stop_at_return": or_null(NUMBER),
    "checkpoint.every": count("100_000"),
    "checkpoint.every_minutes": or_null(POSITIVE),
    "checkpoint.keep_every": or_null(count("100_000")),
    "logging.runs_dir": WORD,
    "logging.tensorboard": SWITCH,
    "logging.progress": SWITCH,
    "logging.curve": SWITCH,
    "allow": PACKAGES,
}
RESUMED = {"trust_edited": SWITCH}
NEW_RUN = {"logging.run_dir": or_null(WORD)}  # nothing that a continued run reads
SWEEP = {
    "sweep.dir": or_null(WORD),
    "sweep.workers": or_null(count("4")),
    "sweep.retries": whole("a whole number of at least 0", lambda value: value >= 0, "2"),
    "sweep.launcher": Rule("local or ray", lambda value: value in ("local", "ray"), "local"),
    "sweep.address": or_null(WORD),
    "sweep.gpus_per_trial": Rule("a number of at least 0", lambda v: _is_number(v) and v >= 0, "0.25"),
    "sweep.match_parameters": or_null(count("100_000")),
    "sweep.axes": MAPPING,
    "sweep.trust_edited": SWITCH,
}
EVALUATE = {
    "run": WORD,
    "checkpoint": WORD,
    "episodes": count("100"),
    "num_envs": count("20"),
    "max_episode_steps": or_null(count("10_000")),
    "deterministic": SWITCH,
    "seed": SEED,
    "device": WORD,
    "threads": count("1"),
    "env": MAPPING,
    "video": SWITCH,
    "frames_per_second": POSITIVE,
    "against": or_null(WORD),
    "probe.argument": or_null(WORD),
    "probe.values": LIST,
    "output": or_null(WORD),
    "allow": PACKAGES,
    "trust_edited": SWITCH,
}


def check_options(config: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Hold every option against its rule.

    Args:
        config: plain mapping; not changed.
        rules: by dotted name.

    Returns:
        The configuration with what was meant: whole numbers as such, however they were written.

    Raises:
        UsageError: names the first option that is missing or breaks its rule.
    """
    checked = dict(config)
    for name, rule in rules.items():
        checked = _checked(checked, name.split("."), name, rule)
    return checked


def _checked(node: Mapping[str, Any], keys: list[str], name: str, rule: Rule) -> dict[str, Any]:
    """A copy of `node` whose value at `keys` is read by the rule, and holds it."""
    key, rest = keys[0], keys[1:]
    if not isinstance(node, Mapping) or key not in node:
        raise UsageError(f"The configuration must hold {name}, but has none; give {name}={rule.example}.")
    if rest:
        return {**node, key: _checked(node[key], rest, name, rule)}
    value = rule.read(node[key])
    if not rule.holds(value):
        raise UsageError(
            f"{name} must be {rule.expected}, but got {value!r}; set {name}={_meant(value, rule)}."
        )
    return {**node, key: value}


def _meant(value: Any, rule: Rule) -> str:
    """The value that was probably meant: `10k` is 10000, and a single word a list of it; else an example."""
    short = re.fullmatch(r"([\d.]+)\s*([kKmM])", value) if isinstance(value, str) else None
    if short:
        number = whole_number(float(short[1]) * {"k": 1e3, "m": 1e6}[short[2].lower()])
        return str(number) if rule.holds(number) else rule.example
    if isinstance(value, str) and rule.holds([value]):
        return f"[{value}]"
    return rule.example
