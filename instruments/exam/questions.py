"""The exams of the diagnostics that ask for what was seen: `recall_first` and `recall_pairs`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, TypeVar

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.world_model import Dreamer
from engram.common.streams import permutation, stream_key, whole_numbers
from engram.envs.diagnostic import RecallFirst, RecallPairs
from engram.envs.native import NativeVectorEnv
from engram.instruments.exam.episodes import Episodes
from engram.instruments.exam.scores import Score, balanced_accuracy, balanced_share, share
from engram.instruments.exam.task import ModelScores, TaskExam, as_batch

_REWARD = "the sign of the reward for an answer, foretold from what was shown {shown}; right and wrong answers alike"
_REASONING = "of all answers imagined from the same rows, the one with the highest reward is the right one"

Kind = TypeVar("Kind", bound=NativeVectorEnv)


class Question(NamedTuple):
    """One question of every episode.

    Attributes:
        row: on which it is answered.
        context: rows that are shown before the model imagines up to that one, which is among them or not.
        answer: the right one, int64 `[N]`.
    """

    row: int
    context: int
    answer: Tensor


class QuestionExam(TaskExam):
    """The exam of a task in which answers are paid for that fit what was seen; actions are drawn uniformly."""

    policy = "uniformly random actions"
    num_episodes = 16_384  # so short that fewer would be learnt by heart
    num_answers: int
    context: int

    def actions(self, num_episodes: int, key: int) -> Tensor:  # noqa: D102
        return (whole_numbers(key, num_episodes * self.num_rows) % self.num_answers).reshape(num_episodes, -1)

    @abstractmethod
    def questions(self, rows: TensorDictBase) -> list[Question]:
        """Find the questions of episodes `[N, T]` and their answers."""

    @abstractmethod
    def can_come(self, imagined: Tensor, rows: TensorDictBase) -> Tensor:
        """Whether imagined observations `[N, T - context, ...]` may follow what was shown, bool `[N, T - context]`."""

    def evaluate(self, agent: Dreamer, episodes: Episodes) -> ModelScores:  # noqa: D102
        rows, context = episodes.rows, self.context
        found = agent.open_loop(as_batch(agent, episodes), context)
        imagined = found["obs"]["obs"][:, context:].cpu()
        came, ends = rows["obs"][:, context:], rows["is_terminal"][:, context:]
        told_end = found["continues"][:, context:].cpu() < 0.5
        is_right = self.can_come(imagined, rows) & (told_end == ends)
        drawn = permutation(ends.numel(), stream_key(0, "exam's guesses"))
        guessed, guessed_end = (part.flatten(0, 1)[drawn].reshape(part.shape) for part in (came, ends))
        chance = balanced_share(self.can_come(guessed, rows) & (guessed_end == ends), ends).value
        scores = {"imagination": balanced_share(is_right, ends)._replace(chance=chance)}
        scores |= self.recall_score(imagined, rows) | self._answer_scores(agent, episodes)
        return ModelScores(scores, is_right.float().mean(0).tolist())

    def recall_score(self, imagined: Tensor, rows: TensorDictBase) -> dict[str, Score]:
        """Score `recall` where the task shows again what was seen; by default it does not."""
        return {}

    def _answer_scores(self, agent: Dreamer, episodes: Episodes) -> dict[str, Score]:
        rows, paid, best = episodes.rows, [], []
        questions = self.questions(rows)
        answers = [torch.full_like(questions[0].answer, answer) for answer in range(self.num_answers)]
        for question in questions:
            batch = as_batch(agent, episodes, question.row + 1)
            expected = agent.outcomes(batch, question.context, answers).cpu()
            paid.append(expected.gather(1, rows["action"][:, question.row, None]).squeeze(1))
            best.append(expected.argmax(1) == question.answer)
        came = torch.stack([rows["reward"][:, question.row + 1] for question in questions], dim=1)
        return {
            "reward": balanced_accuracy(torch.stack(paid, dim=1) > 0, came > 0),
            "reasoning": share(torch.stack(best, dim=1), 1 / self.num_answers),
        }


class RecallFirstExam(QuestionExam):
    """The cue is shown, and everything else imagined."""

    context = 1
    meanings: ClassVar[Mapping[str, str]] = {
        "imagination": "imagined rows are blank, and the episode ends with the answer and not before; rows that go on "
        "and ends weighed alike",
        "reward": _REWARD.format(shown="at the cue alone"),
        "reasoning": _REASONING,
    }

    def __init__(self, env: NativeVectorEnv) -> None:
        task = _of_kind(env, RecallFirst)
        self.delay, self.num_answers = task.delay, task.num_symbols
        self.num_rows = task.delay + 2

    def questions(self, rows: TensorDictBase) -> list[Question]:  # noqa: D102
        return [Question(self.delay, 1, rows["obs"][:, 0])]

    def can_come(self, imagined: Tensor, rows: TensorDictBase) -> Tensor:  # noqa: D102
        return imagined == self.num_answers


class RecallPairsExam(QuestionExam):
    """The pairs are shown, and the questions imagined; to be answered, a question is shown, too."""

    meanings: ClassVar[Mapping[str, str]] = {
        "imagination": "imagined questions are about keys that were shown, each once, and the episode ends with the "
        "last answer and not before; rows that go on and ends weighed alike",
        "recall": "imagined questions are about keys that were shown",
        "reward": _REWARD.format(shown="up to the question"),
        "reasoning": _REASONING,
    }

    def __init__(self, env: NativeVectorEnv) -> None:
        task = _of_kind(env, RecallPairs)
        self.context = self.num_pairs = task.num_pairs
        self.num_keys, self.num_answers = task.num_keys, task.num_values
        self.num_rows = 2 * task.num_pairs + 1

    def questions(self, rows: TensorDictBase) -> list[Question]:  # noqa: D102
        keys, values = rows["obs"].unbind(-1)
        found = []
        for row in range(self.num_pairs, 2 * self.num_pairs):
            place = (keys[:, : self.num_pairs] == keys[:, row, None]).float().argmax(1, keepdim=True)
            found.append(Question(row, row + 1, values.gather(1, place).squeeze(1)))
        return found

    def can_come(self, imagined: Tensor, rows: TensorDictBase) -> Tensor:  # noqa: D102
        keys, values = imagined.unbind(-1)
        came_before = (keys[:, :, None] == keys[:, None, :]).tril(-1).any(2)
        is_question = self._is_shown(keys, rows) & ~came_before
        is_last = torch.arange(keys.shape[1]) == self.num_pairs
        return torch.where(is_last, keys == self.num_keys, is_question) & (values == self.num_answers)

    def recall_score(self, imagined: Tensor, rows: TensorDictBase) -> dict[str, Score]:  # noqa: D102
        asked = imagined[:, : self.num_pairs, 0]
        return {"recall": share(self._is_shown(asked, rows), self.num_pairs / self.num_keys)}

    def _is_shown(self, keys: Tensor, rows: TensorDictBase) -> Tensor:
        return (keys[:, :, None] == rows["obs"][:, None, : self.num_pairs, 0]).any(2)


def _of_kind(env: NativeVectorEnv, kind: type[Kind]) -> Kind:
    if type(env) is kind:
        return env
    raise ValueError(
        f"An exam is set for {kind.__name__} as it is, but got {type(env).__name__} around it; leave env.trials, "
        "env.projection and env.observable out."
    )
