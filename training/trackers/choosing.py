"""The experiment trackers that a run's options ask for."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from engram.training.trackers.mlflow_tracker import MlflowTracker
from engram.training.trackers.tracker import Tracker
from engram.training.trackers.wandb_tracker import WandbTracker

TRACKERS: dict[str, type[WandbTracker] | type[MlflowTracker]] = {
    tracker.name: tracker for tracker in (WandbTracker, MlflowTracker)
}


def check_installed(logging: Mapping[str, Any]) -> None:
    """Refuse a tracker whose library is not there.

    Args:
        logging: options of the group.

    Raises:
        ValueError: names it.
    """
    for name in _asked(logging):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder wandb/ that it wrote is no library
            raise ValueError(
                f"logging.to={name} needs {TRACKERS[name].title}, which is not installed; "
                f"pip install -e '.[{name}]', or leave it out of logging.to."
            )


def make_trackers(logging: Mapping[str, Any]) -> list[Tracker]:
    """The trackers by which a run is kept, not open yet.

    Args:
        logging: options of the group.
    """
    return [TRACKERS[name](**logging[name]) for name in _asked(logging)]


def _asked(logging: Mapping[str, Any]) -> list[str]:
    return [name for name in logging["to"] if name in TRACKERS]
