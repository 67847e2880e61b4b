"""The rules for options that belong to no class of their own, checked before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import UsageError


@dataclass(frozen=True)
class Rule:
    """What an option must be.

    Attributes:
        expected: the rule in words, after "must be".
        holds: whether a value follows it.
        example: a value that does.
    """

    expected: str
    holds: Callable[[Any], bool]
    example: str


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def or_null(rule: Rule) -> Rule:
    """Allow null beside what a rule allows."""
    return Rule(f"{rule.expected}, or null", lambda value: value is None or rule.holds(value), rule.example)


COUNT = Rule("a whole number of at least 1", lambda value: _is_whole(value) and value >= 1, "8")
SEED = Rule("a whole number from 0 to 2**63 - 1", lambda v: _is_whole(v) and 0 <= v < 2**63, "0")
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
    "num_envs": COUNT,
    "total_env_steps": COUNT,
    "schedule_env_steps": COUNT,
    "device": WORD,
    "capture": SWITCH,
    "threads": COUNT,
    "evaluation.every": or_null(COUNT),
    "evaluation.episodes": COUNT,
    "evaluation.num_envs": COUNT,
    "evaluation.deterministic": SWITCH,
    "evaluation.stop_at_return": or_null(NUMBER),
    "checkpoint.every": COUNT,
    "checkpoint.keep_every": or_null(COUNT),
    "logging.runs_dir": WORD,
    "logging.tensorboard": SWITCH,
    "logging.progress": SWITCH,
    "logging.curve": SWITCH,
    "allow": PACKAGES,
}
NEW_RUN = {"logging.run_dir": or_null(WORD)}  # nothing that a continued run reads
SWEEP = {
    "sweep.dir": or_null(WORD),
    "sweep.workers": or_null(COUNT),
    "sweep.retries": Rule("a whole number of at least 0", lambda v: _is_whole(v) and v >= 0, "2"),
    "sweep.launcher": Rule("local or ray", lambda value: value in ("local", "ray"), "local"),
    "sweep.address": or_null(WORD),
    "sweep.gpus_per_trial": Rule("a number of at least 0", lambda v: _is_number(v) and v >= 0, "0.25"),
    "sweep.match_parameters": or_null(COUNT),
    "sweep.axes": MAPPING,
}
EVALUATE = {
    "run": WORD,
    "checkpoint": WORD,
    "episodes": COUNT,
    "num_envs": COUNT,
    "deterministic": SWITCH,
    "seed": SEED,
    "device": WORD,
    "threads": COUNT,
    "env": MAPPING,
    "video": SWITCH,
    "frames_per_second": POSITIVE,
    "against": or_null(WORD),
    "probe.argument": or_null(WORD),
    "probe.values": LIST,
    "output": or_null(WORD),
    "allow": PACKAGES,
}


def check_options(config: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Hold every option against its rule.

    Args:
        config: plain mapping.
        rules: by dotted name.

    Raises:
        UsageError: names the first option that is missing or breaks its rule.
    """
    for name, rule in rules.items():
        value: Any = config
        for key in name.split("."):
            if not isinstance(value, Mapping) or key not in value:
                raise UsageError(
                    f"The configuration must hold {name}, but has none; give {name}={rule.example}."
                )
            value = value[key]
        if not rule.holds(value):
            raise UsageError(f"{name} must be {rule.expected}, but got {value!r}; set {name}={rule.example}.")


def check_folder(name: str, path: str) -> None:
    """Hold a file to be written against the rule that its folder exists.

    Args:
        name: of the option.
        path: of the file.

    Raises:
        UsageError: if the folder does not exist.
    """
    if not Path(path).parent.is_dir():
        raise UsageError(f"{name} must lie in a folder that exists, but got {path!r}; make the folder first.")
