"""What a training run asks of its agent."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tensordict import TensorDictBase
from torch import Tensor

from engram.common.rows import Act, Rollout

Metrics = dict[str, float]


class Updates:
    """Updates that are due: each is made when it is asked for, and its metrics are what comes.

    Args:
        count: so many.
        update: makes one.
    """

    def __init__(self, count: int, update: Callable[[], Metrics]) -> None:
        self._count, self._update = count, update

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Metrics]:
        return (self._update() for _ in range(self._count))


class Trainable(ABC):
    """The side of an agent that a training run sees; what an agent has no use for it leaves as it is here.

    Attributes:
        rollout_length: rows per environment that are collected at once.
        carry_every: the driver keeps the carry before every k-th row of a rollout.
        prefill: environment steps before the first update.
        log_interval: environment steps between log lines, which hold the means since the line before; None: a line
            for every rollout.
    """

    rollout_length: int
    carry_every: int
    prefill: int = 0
    log_interval: int | None = None

    @abstractmethod
    def policy(self, env_steps: int) -> Act:
        """Say who acts in the rollout that begins at `env_steps`: `(row, carry) -> action, carry, extras`."""

    def actor_policy(self, env_steps: int, num_rows: int, seat: int) -> Act:
        """Say who acts in a rollout that an actor collects for the learner; by default who does so in `policy`.

        Args:
            env_steps: that the learner had learnt from when it asked for the rollout.
            num_rows: of every environment before it.
            seat: number of the actor, each of which has as many environments.
        """
        return self.policy(env_steps)

    def learn(self, rollout: Rollout, env_steps: int) -> Metrics:
        """Learn from a rollout, as much as is due after it.

        Args:
            rollout: collected by what `policy` gave.
            env_steps: real transitions before it, for the schedules: the first update has a schedule's first value,
                and the last one not yet that of its end.

        Returns:
            Metrics by name, their means over the updates; none if no update was due.

        Raises:
            FloatingPointError: if a loss is NaN or infinite; names the first tensor that went bad.
        """
        return mean_metrics(self.updates(rollout, env_steps))

    @abstractmethod
    def updates(self, rollout: Rollout | None, env_steps: int) -> Updates:
        """Take a rollout in and say which updates are due, for a loop that saves between any two of them.

        Args:
            rollout: as of `learn`; None: the run was saved after the rollout was taken in, and what is still due of
                its updates is wanted.
            env_steps: as of `learn`.
        """

    def check_run(self, num_envs: int) -> None:
        """Refuse a run that the agent cannot learn from, before it begins.

        Args:
            num_envs: number of its environments.

        Raises:
            ValueError: says what would work.
        """

    def why_no_captured_rollouts(self) -> str | None:
        """Say why rollouts cannot be recorded, in which one and the same policy acts; None if they can."""
        return None

    def why_no_captured_updates(self) -> str | None:
        """Say why updates are not to be recorded as CUDA graphs unless it is asked for; None if they are."""
        return "this agent's updates are not written for it"

    def capture_updates(self) -> None:
        """Record updates as CUDA graphs from here on, as far as that is possible."""

    def check_rows(self, row: TensorDictBase) -> None:
        """Refuse environments whose rows the agent cannot learn from, before anything is written.

        Args:
            row: the first of every environment, `[num_envs]`.

        Raises:
            ValueError: says what would work.
        """

    def open_files(self, run_dir: Path, row: TensorDictBase, is_new: bool) -> None:
        """Make the agent's own files in a run's folder, or open those that a continued run has there.

        Args:
            run_dir: the folder.
            row: the pending one of every environment, `[num_envs]`.
            is_new: whether they are to be made.

        Raises:
            OSError: if the disk has no room for them.
            ValueError: if they are damaged.
        """

    def run_state(self) -> dict[str, Any]:
        """What a continued run needs beside `state_dict`, as of files; JSON values and tensors, only in `latest`."""
        return {}

    def run_state_form(self) -> dict[str, Any]:
        """What `run_state` looks like, see `engram.common.state_form`."""
        return {}

    def load_run_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `run_state` gave, with `open_files` before."""

    def mark_saved(self) -> None:
        """Take note that `latest` is on the disk, with what `run_state` gave last."""

    def needs_checkpoint(self) -> bool:
        """Tell whether `latest` must be saved before the next rollout."""
        return False

    def pictures(self) -> dict[str, Tensor]:
        """Draw uint8 pictures `[3, height, width]` or films `[B, T, 3, height, width]` by name, at an evaluation."""
        return {}


def mean_metrics(updates: Iterable[Metrics]) -> Metrics:
    """Average the metrics of several updates, each over those that have it."""
    found: dict[str, list[float]] = {}
    for metrics in updates:
        for name, value in metrics.items():
            found.setdefault(name, []).append(value)
    return {name: statistics.fmean(values) for name, values in found.items()}
