"""Where the project may wait for a CUDA device or copy between it and the host, how often, and why."""

from collections.abc import Mapping
from typing import Any

Allowed = Mapping[tuple[str, str], tuple[int, str]]
"""By event and function: the most of them, and the reason."""

ROLLOUT: Allowed = {
    ("SYNC _local_scalar_dense", "envs/finite.py:check_rollout"): (1, "whether all observations are finite"),
    ("D2H", "envs/driver.py:Driver._finish_episodes"): (
        3,
        "ends, beginnings and rewards, for the episodes' returns",
    ),
}
PPO_UPDATE: Allowed = {
    ("SYNC tolist", "agents/diagnosis.py:read_metrics"): (1, "all metrics, and whether they are finite"),
    ("D2H", "agents/on_policy/agent.py:OnPolicyAgent.learn_minibatches"): (
        1,
        "resets: cores choose their path by a copy in host memory",
    ),
}
CAPTURED_UPDATE: Allowed = {
    ("SYNC tolist", "agents/diagnosis.py:read_metrics"): (1, "all metrics, and whether they are finite"),
}
WORLD_MODEL_UPDATE: Allowed = {
    ("SYNC tolist", "agents/diagnosis.py:read_metrics"): (
        1,
        "all metrics, and whether they are finite",
    ),
    ("D2H", "agents/world_model/dreamer.py:Dreamer.learn_from"): (1, "resets, as in PPO"),
}
REPLAY_UPDATE: Allowed = {
    ("SYNC tolist", "agents/diagnosis.py:read_metrics"): (1, "all metrics, and whether they are finite"),
    ("D2H", "agents/diagnosis.py:read_metrics_with"): (1, "these, and the windows' priorities"),
}
EXTEND: Allowed = {
    ("D2H", "agents/replay/ring.py:Ring._write"): (
        12,
        "the replay lies in host memory: one copy for every leaf",
    ),
}
"""Copies of a scan's arguments are launches and no waits; they are counted as such."""


def check_waits(machine: Any, allowed: Allowed) -> None:
    """Refuse waits and copies since the machine's reset that are not allowed, or more of them; tests' own are."""
    found = {event: count for event, count in machine.events.items() if is_a_wait(*event)}
    wrong = {event: count for event, count in found.items() if count > allowed.get(event, (0, ""))[0]}
    assert not wrong, f"waits and copies that are not allowed: {wrong}"
    machine.reset()


def is_a_wait(kind: str, place: str) -> bool:
    is_none = kind.startswith("argument copied") or kind == "H2D pinned"
    return not is_none and not place.startswith("tests/")
