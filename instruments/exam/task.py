"""What an exam asks of a task: who plays, what a model is shown of the rows, and how its predictions are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from engram.agents.replay import Batch
from engram.agents.world_model import Dreamer
from engram.envs.native import NativeVectorEnv
from engram.instruments.exam.episodes import Episodes
from engram.instruments.exam.scores import Score

ABILITIES = ("imagination", "recall", "reward", "reasoning")


@dataclass(frozen=True)
class ModelScores:
    """What one model has reached.

    Attributes:
        scores: by ability; those that a task does not ask for are left out.
        curve: share of the imagined rows that are right, by rows since the last one that was shown, from 1 on.
    """

    scores: dict[str, Score]
    curve: list[float] = field(default_factory=list)


class TaskExam(ABC):
    """The exam of one native task.

    Args:
        env: an environment of the task.

    Attributes:
        policy: who plays the episodes, in a sentence.
        meanings: what each ability is here, by its name, with how it is scored.
        num_rows: rows of an episode that are played, T.
        num_episodes: that are learnt from, where the user says no other number.
        env_defaults: arguments of the environment, where the user gives no others.
        held_out: arguments of the environment that is examined in, beside another seed.
    """

    policy: ClassVar[str]
    meanings: ClassVar[Mapping[str, str]]
    env_defaults: ClassVar[Mapping[str, Any]] = {}
    held_out: ClassVar[Mapping[str, Any]] = {}
    num_rows: int
    num_episodes: ClassVar[int]

    @abstractmethod
    def __init__(self, env: NativeVectorEnv) -> None:
        """Take what the exam depends on from the environment; ValueError if it is none of the task's kind."""

    @abstractmethod
    def actions(self, num_episodes: int, key: int) -> Tensor:
        """Draw the scripts of episodes by a key alone, int64 `[N, T]`."""

    def facts(self, env: NativeVectorEnv) -> dict[str, Tensor]:
        """What to note of the environments at every row, `[num_envs, ...]`; by default nothing."""
        return {}

    @abstractmethod
    def evaluate(self, agent: Dreamer, episodes: Episodes) -> ModelScores:
        """Examine a model on episodes that it has not learnt from."""


def as_batch(agent: Dreamer, episodes: Episodes, num_rows: int | None = None) -> Batch:
    """Make a batch of whole episodes from their first row on, all of them or their first rows."""
    rows = episodes.rows[:, :num_rows]
    is_trained = torch.ones(rows.batch_size, dtype=torch.bool)
    return Batch(rows, agent.initial_memory(len(rows)), is_trained, host_is_first=rows["is_first"].cpu())
