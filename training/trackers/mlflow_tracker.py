"""MLflow: `pip install -e ".[mlflow]"`."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from engram.run_files.fixed_config import plain_options
from engram.run_files.pictures import encoded, side_by_side
from engram.training.trackers.tracker import Line

_MOST_PARAMS, _LONGEST_VALUE = 100, 500
"""How many parameters one request takes, and how long a value may be."""
_EVERY_LINE_HAS = "charts/SPS"


class MlflowTracker:
    """Keeps a run at an MLflow server or in a database of it.

    Args:
        tracking_uri: None: `MLFLOW_TRACKING_URI`, or `sqlite:///mlflow.db`.
        experiment: its name; None: `MLFLOW_EXPERIMENT_NAME`, or `engram`.
    """

    name, title = "mlflow", "MLflow"

    def __init__(self, tracking_uri: str | None = None, experiment: str | None = None) -> None:
        self._uri = tracking_uri
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "engram"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """See `Tracker`."""
        from mlflow.exceptions import MlflowException

        return (MlflowException,)

    def open(self, run_name: str, config: Mapping[str, Any], id: str | None) -> str:
        """See `Tracker`; parameters stay as they were when the run began, as MLflow wants it."""
        import mlflow  # seconds to import
        from mlflow import MlflowClient

        with _made_by_one(self._uri or mlflow.get_tracking_uri()):
            self._client = MlflowClient(self._uri)
        if id is not None:
            self._client.update_run(id, status="RUNNING")
            self._id = id
            return id
        self._id = str(self._client.create_run(self._experiment_id(), run_name=run_name).info.run_id)
        self._log_params(config)
        return self._id

    def _experiment_id(self) -> str:
        """The experiment's id; another process may make it at the same moment."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return str(self._client.create_experiment(self._experiment))
            except MlflowException:
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _log_params(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [
            Param(_key(name), str(value)[:_LONGEST_VALUE]) for name, value in plain_options(config).items()
        ]
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._id, params=params[start : start + _MOST_PARAMS])

    def last_step(self) -> int:
        """See `Tracker`."""
        history = self._client.get_metric_history(self._id, _EVERY_LINE_HAS)
        return max((metric.step for metric in history), default=-1)

    def log(self, lines: Sequence[Line]) -> None:
        """See `Tracker`; one request."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            Metric(_key(name), value, now, line.env_steps)
            for line in lines
            for name, value in line.metrics.items()
        ]
        for line in lines:
            for name, picture in line.media.items():
                self._log_picture(name, picture, line.env_steps)
        self._client.log_batch(self._id, metrics=metrics)

    def _log_picture(self, name: str, picture: Tensor, env_steps: int) -> None:
        """Keep a picture as a file; one that is drawn again takes its place."""
        content, kind = encoded(side_by_side(picture))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{env_steps:012d}.{kind}"
            path.write_bytes(content)
            self._client.log_artifact(self._id, str(path), f"pictures/{_key(name)}")

    def close(self, has_failed: bool) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self._id, "FAILED" if has_failed else "FINISHED")


def _made_by_one(uri: str) -> AbstractContextManager[object]:
    """Lets one process at a time open a database on disk: two that make its tables at once would fail."""
    path = uri.removeprefix("sqlite:///")
    return nullcontext() if path == uri else FileLock(f"{path}.lock")


def _key(name: str) -> str:
    """A name in the characters that MLflow takes."""
    return re.sub(r"[^A-Za-z0-9_.:/ -]", "_", name)
