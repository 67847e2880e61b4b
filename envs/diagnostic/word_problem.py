"""The word problem of a group: which state a sequence of tokens leads to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.random import hash_prefix, purpose, randint
from engram.envs.diagnostic.questions import QuestionEnv

_TOKEN = purpose("token")
Asked = Literal["every", "last"]


class WordProblem(QuestionEnv):
    """See tokens, each of which moves a state that is never shown, and say where it is.

    Row t, from 0, shows token t, drawn uniformly and independently; its action is to be the state after this token.
    A subclass says what its tokens do. The state begins at 0. After `length` actions the last row shows the blank, the
    number of tokens.

    Args:
        name: of the task.
        num_envs: number of environments B.
        transitions: `transitions[token][state]` is the next state.
        length: tokens in the sequence.
        asked: `every` row asks for the state, or the `last` token alone.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    @abstractmethod
    def __init__(
        self,
        name: str,
        num_envs: int,
        transitions: Sequence[Sequence[int]],
        length: int,
        asked: Asked,
        device: torch.device | str,
        env_index_offset: int,
    ) -> None:
        self.num_tokens = len(transitions)
        num_states = len(transitions[0])
        questions = length if asked == "every" else 1
        super().__init__(name, num_envs, length, questions, num_states, device, env_index_offset)
        self.single_observation_space = gs.Discrete(self.num_tokens + 1)
        self.transitions = torch.tensor(transitions, device=self.device)

    def draw(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = hash_prefix(seed, _TOKEN, env_index, episode)
        return {"key": key, "state": torch.zeros_like(episode)}

    def ask(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        state = self.transitions[self._token(task, time), task["state"]]
        return {**task, "state": state}, state, time >= self.length - self.num_questions

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return torch.where(time < self.length, self._token(task, time), self.num_tokens)

    def _token(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        return randint(self.num_tokens, time, prefix=task["key"])
