"""What happens beside learning, as objects with a method for every moment: logs, progress, and the user's own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engram.agents.base import Agent
from engram.common.metric_names import own_key
from engram.common.rows import Rollout
from engram.run_files.fixed_config import plain_options
from engram.run_files.logger import Logger
from engram.training.record import Metrics
from engram.training.session import Session

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_RESERVED = ("latest", "best")


class Trainer:
    """What a callback sees of a run, and may ask of it.

    Args:
        session: of the run.
        run_dir: its folder.
        save: writes a checkpoint by its name.

    Attributes:
        run_dir: as given.
        is_stopped: whether a callback has asked the run to stop.
        has_failed: whether the run ends with an error; known when it ends.
    """

    def __init__(self, session: Session, run_dir: Path, save: Callable[[str], None]) -> None:
        self.run_dir, self.is_stopped, self.has_failed = run_dir, False, False
        self._session, self._save = session, save

    @property
    def agent(self) -> Agent:
        """The agent that learns, as it is now."""
        return self._session.agent

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's configuration."""
        return self._session.config

    @property
    def env_steps(self) -> int:
        """Real transitions so far, in all environments together."""
        return self._session.driver.env_steps

    def stop(self) -> None:
        """End the run once this iteration is finished and saved; `resume` continues it."""
        self.is_stopped = True

    def log(self, name: str, value: float) -> None:
        """Put a number into the next line of `metrics.jsonl` and TensorBoard; several until then become their mean.

        Args:
            name: with a slash (`memory/norm`) it stands for itself, without one it is logged under `charts/`.
            value: finite.

        Raises:
            ValueError: if it is not.
        """
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"A metric must be a finite number, but {name} is {number}; leave it out.")
        self._session.record.add(own_key(name), number)

    def save(self, name: str) -> None:
        """Write a checkpoint that `engram.load(run, checkpoint=name)` takes; one of the name before is replaced.

        Args:
            name: of letters, digits, `_` and `-`, and none that the run has for its own.

        Raises:
            ValueError: for another name.
        """
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(
                f"A callback's checkpoint must have a name of letters, digits, _ and - other than "
                f"{' and '.join(_RESERVED)}, but got {name!r}; give another."
            )
        self._save(name)


class Callback:
    """Does something of one's own at moments of a run: a subclass writes the methods it needs.

    An iteration is a rollout and the updates that are due after it. What `state_dict` returns is part of every
    checkpoint `latest`, so that a continued run to which the callback is given again goes on exactly.
    """

    def on_start(self, trainer: Trainer) -> None:
        """A run begins or is continued."""

    def on_rollout(self, trainer: Trainer, rollout: Rollout) -> None:
        """A rollout has been collected.

        Args:
            trainer: of the run.
            rollout: its rows `[num_envs, rollout_length]`, and by name the numbers of the `episodes` that ended in it;
                to be read at once.
        """

    def on_update(self, trainer: Trainer, metrics: Metrics) -> None:
        """An update has been made.

        Args:
            trainer: of the run.
            metrics: what the agent returned of it, by name as in `metrics.jsonl`.
        """

    def on_evaluation(self, trainer: Trainer, metrics: Metrics) -> None:
        """An evaluation has been played.

        Args:
            trainer: of the run.
            metrics: `eval/episodic_return`, `eval/standard_error`, `eval/episodic_length` and what else is measured.
        """

    def on_log(self, trainer: Trainer, metrics: Metrics) -> None:
        """A line of metrics is due.

        Args:
            trainer: of the run.
            metrics: by name, the means since the line before.
        """

    def on_media(self, trainer: Trainer, media: Mapping[str, Tensor]) -> None:
        """The agent has drawn something at an evaluation.

        Args:
            trainer: of the run.
            media: uint8 pictures `[3, height, width]` and films `[B, T, 3, height, width]` by name.
        """

    def on_checkpoint(self, trainer: Trainer, name: str, path: Path) -> None:
        """A checkpoint is on the disk.

        Args:
            trainer: of the run.
            name: `latest`, `best`, `step-…` or one of a callback's own.
            path: its file.
        """

    def on_end(self, trainer: Trainer) -> None:
        """The run has ended, has stopped, or has failed."""

    def state_dict(self) -> dict[str, Any]:
        """What a continued run needs, as JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""


class LogWriter(Callback):
    """Writes lines and pictures to the run's log.

    Args:
        logger: of the run.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def on_start(self, trainer: Trainer) -> None:
        """Write the run's options."""
        self._logger.log_options(plain_options(trainer.config))

    def on_log(self, trainer: Trainer, metrics: Metrics) -> None:
        """Write a line."""
        self._logger.log(metrics, trainer.env_steps)

    def on_media(self, trainer: Trainer, media: Mapping[str, Tensor]) -> None:
        """Write pictures and films."""
        self._logger.log_media(media, trainer.env_steps)
