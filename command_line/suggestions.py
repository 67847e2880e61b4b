"""What a user may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import gymnasium

from engram.command_line.groups import group_options
from engram.common.other_names import other_names

_GYMNASIUM_ID = re.compile(r"([\w.]+:)?([\w.-]+/)*[\w.-]+-v\d+|[\w.]+:[\w./-]+")
MOST = 20  # options are all listed up to so many


def nearest_keys(key: str, known: Sequence[str]) -> list[str]:
    """Find the options that a dotted key may mean, at most three.

    Args:
        key: that does not exist.
        known: dotted keys that do.

    Returns:
        Those of the same last part elsewhere; else by another name for it; else the one that is spelt most
        alike.
    """
    head, _, last = key.rpartition(".")
    for wanted in ((last,), other_names(last)):
        found = [one for one in known if one.rpartition(".")[2] in wanted]
        group = head.partition(".")[0]
        inside = [one for one in found if head and one.startswith(f"{group}.")]
        if found:
            return sorted(inside or found, key=len)[:3]
    spelt = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
    if spelt:
        return spelt
    # One letter out of a few weighs more in the last part alone; a key without a group may be in any of them.
    siblings = {one.rpartition(".")[2]: one for one in known if not head or one.rpartition(".")[0] == head}
    begun = [part for part in siblings if len(last) > 3 and part.startswith(last)]
    parts = difflib.get_close_matches(last, siblings, n=1, cutoff=0.75) or begun
    return [siblings[part] for part in parts[:3]]


def nearest_option(group: str, got: str) -> str | None:
    """Find the word that chooses what `group=got` may mean, such as `env=gymnasium env.id=CartPole-v1`."""
    options = group_options(group)
    by_name = {_plain(option): option for option in options}
    # The last part alone, where it says which one it is.
    for option in options:
        last = _plain(option.rpartition("/")[2])
        by_name.setdefault(last, option)
    plain = _plain(re.sub(r"^(engram/|popgym:|engram\.envs:)|-v\d+$", "", got))
    if plain in by_name:
        return f"{group}={by_name[plain]}"
    suite = [option for option in options if option.startswith(f"{got}/")]
    if suite:
        return f"{group}={suite[0]}"
    for other in ("agent", "core", "env"):
        if got in group_options(other):
            return f"{other}={got}"
    if group == "env" and (got in gymnasium.registry or _GYMNASIUM_ID.fullmatch(got)):
        return f"env=gymnasium env.id={got}"
    return None


def listed(options: Sequence[str], got: str) -> str:
    """All options if they are few, else the nearest ones and how many there are."""
    if len(options) <= MOST:
        return ", ".join(options)
    nearest = difflib.get_close_matches(got, options, n=4, cutoff=0.4) or list(options[:4])
    return f"{', '.join(nearest)} … ({len(options)} in all)"


def _plain(name: str) -> str:
    """A name without what is written differently elsewhere: `RepeatPreviousEasy` and `repeat_previous_easy`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
