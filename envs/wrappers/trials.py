"""Trials: several episodes of one fixed task, through which a memory is kept."""

from __future__ import annotations

import gymnasium.spaces as gs
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.option_types import Count
from engram.envs.native import NativeVectorEnv
from engram.envs.wrappers.native_wrapper import NativeWrapper

_MOST_RETURNS = 16
"""Episodes of a trial whose returns are reported one by one; of longer trials the first and the last are."""
_REPORTED = "reported_"


class Trials(NativeWrapper):
    """Plays `trials` episodes of a task as one episode, so that what was learnt in one serves in the next (RL²).

    A row is the first one only where a trial begins, so that memory and value reach over the ends of the episodes
    within. The observation is a Dict: `obs` of the task, and `boundary`, 1 where an episode of the trial has just
    ended. That row already shows the next episode's first observation, with the last reward and action of the one
    that ended; the last row of a trial shows its own. A trial terminates with its last episode, however that ended.

    The task stays as it is within a trial where it says what that is (`NativeVectorEnv.begin_within`): a bandit keeps
    its arms and pays anew, a maze keeps its layout and its targets. Any other task begins each episode of a trial
    alike, as popjaxrl's do.

    The return is that of the trial. Each episode's own is reported as `return_1`, `return_2`, …, and what the task
    reports as the mean over the trial's episodes.

    Source: Duan et al. 2016, RL²; the rows are those of popjaxrl (Lu et al. 2023).

    Args:
        inner: the task.
        trials: episodes of a trial.
    """

    def __init__(self, inner: NativeVectorEnv, trials: Count) -> None:
        super().__init__(inner)
        self.trials = trials
        self.max_episode_steps = trials * inner.max_episode_steps
        self.single_observation_space = gs.Dict(
            {"obs": inner.single_observation_space, "boundary": gs.Discrete(2)}
        )
        self.best_return = inner.best_of_trial(trials)
        self.chance_return = None if inner.chance_return is None else trials * inner.chance_return

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        nothing = torch.zeros_like(episode)
        inner = self.inner.begin(seed, env_index, episode)
        reward = torch.zeros_like(nothing, dtype=torch.float32)
        reported = self.inner.outcome(inner, reward, torch.zeros_like(nothing, dtype=torch.bool))
        own = {
            "trial_seed": seed,
            "trial_env_index": env_index,
            "trial": episode,
            "number": nothing,  # episodes that have ended
            "elapsed": nothing,  # actions in the running one
            "boundary": nothing,
            "returns": reward.unsqueeze(1).repeat(1, self.trials),
            **{f"{_REPORTED}{name}": torch.zeros_like(reward) for name in reported},
        }
        return self.with_inner(own, inner)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        keys = [task[key] for key in ("trial_seed", "trial_env_index", "trial")]
        moved, reward, terminated, truncated = self.inner.advance(
            self.inner_task(task), task["elapsed"], action
        )
        ended = terminated | truncated
        number = task["number"] + ended
        begins = ended & (number < self.trials)
        running = torch.arange(self.trials, device=ended.device) == task["number"].unsqueeze(1)
        own = {
            **self.own_tensors(task),
            "number": number,
            "elapsed": torch.where(begins, 0, task["elapsed"] + 1),
            "boundary": ended.to(torch.int64),
            "returns": task["returns"] + torch.where(running, reward.unsqueeze(1), 0.0),
        }
        for name, value in self.inner.outcome(moved, reward, terminated).items():
            own[f"{_REPORTED}{name}"] = own[f"{_REPORTED}{name}"] + torch.where(ended, value.float(), 0.0)
        inner = self.inner.next_within(moved, begins, *keys, number)
        is_over = number >= self.trials
        return self.with_inner(own, inner), reward, is_over, torch.zeros_like(is_over)

    def inner_time(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["elapsed"]

    def observe(self, task: dict[str, Tensor], time: Tensor) -> TensorDict:  # noqa: D102
        parts = {"obs": super().observe(task, time), "boundary": task["boundary"]}
        return TensorDict(parts, batch_size=time.shape)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        last = self.trials - 1
        told = range(self.trials) if self.trials <= _MOST_RETURNS else (0, last)
        played = task["number"].clamp(min=1)
        reported = {key: value for key, value in task.items() if key.startswith(_REPORTED)}
        return {
            **{f"return_{number + 1}": task["returns"][:, number] for number in told},
            **{key[len(_REPORTED) :]: value / played for key, value in reported.items()},
        }
