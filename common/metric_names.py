"""Names of metrics, the same in `metrics.jsonl`, TensorBoard, evaluations and comparisons."""

from __future__ import annotations

import re

RETURN, LENGTH = "episodic_return", "episodic_length"
"""What is known of every episode: its sum of reward and its number of actions."""
STANDARD_ERROR = "standard_error"
"""Of an evaluation's mean return."""
SUCCESS_RATE = "success_rate"
_LONGEST = 64
_SUCCESS = ("success", "is_success")


def metric_name(name: str) -> str:
    """Return the name of the mean over episodes, in letters, digits and `_.-`; a success becomes `success_rate`."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip("_")
    return SUCCESS_RATE if name in _SUCCESS else safe[:_LONGEST]


def training_key(name: str) -> str:
    """The key of what is measured of training episodes: `charts/` as in the field's logs, else `episode/`."""
    return f"{'charts' if name in (RETURN, LENGTH, 'SPS') else 'episode'}/{name}"


def evaluation_key(name: str) -> str:
    """The key of what is measured of evaluation episodes."""
    return f"eval/{name}"


def agent_key(name: str) -> str:
    """The key of what an agent returns: a name without a slash is a loss, one with a slash stands for itself."""
    return name if "/" in name else f"losses/{name}"


def own_key(name: str) -> str:
    """The key of what a callback logs: a name with a slash stands for itself."""
    return name if "/" in name else f"charts/{name}"
