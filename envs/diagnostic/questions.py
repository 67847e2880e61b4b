"""What tasks share that ask questions: an answer is right or wrong, and all are worth the same."""

from __future__ import annotations

from abc import abstractmethod

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.envs.native import NativeVectorEnv


class QuestionEnv(NativeVectorEnv):
    """Asks `num_questions` times for one of `num_answers`; right is worth `1 / num_questions`, wrong the negative.

    All other actions are free and worth nothing. An episode terminates after `length` actions, and is a success if
    all answers were right. The best return is 1; guessing gives `2 / num_answers - 1` on average.

    A task implements `draw`, `ask` and `observe` and sets its observation space.

    Args:
        name: of the task.
        num_envs: number of environments B.
        length: actions of an episode.
        num_questions: how many of these are answers.
        num_answers: different answers there are.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        name: str,
        num_envs: int,
        length: int,
        num_questions: int,
        num_answers: int,
        device: torch.device | str,
        env_index_offset: int,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = name
        self.length = self.max_episode_steps = length
        self.num_questions = num_questions
        self.single_action_space = gs.Discrete(num_answers)
        self.best_return = 1.0
        self.chance_return = 2.0 / num_answers - 1.0

    @abstractmethod
    def draw(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:
        """Return the task's tensors as `begin` does, apart from whether an answer was wrong."""

    @abstractmethod
    def ask(self, task: dict[str, Tensor], time: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the task's tensors after action number `time`, the right answer [B], and whether it counts [B]."""

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return {
            **self.draw(seed, env_index, episode),
            "failed": torch.zeros_like(episode, dtype=torch.bool),
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        after, answer, is_asked = self.ask(task, time)
        is_right = action == answer
        worth = (is_right.to(torch.float32) * 2.0 - 1.0) / self.num_questions
        terminated = time + 1 == self.length
        after = {**after, "failed": task["failed"] | (is_asked & ~is_right)}
        return after, torch.where(is_asked, worth, 0.0), terminated, torch.zeros_like(terminated)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": is_terminal & ~task["failed"]}
