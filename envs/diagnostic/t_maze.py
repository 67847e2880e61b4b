"""A T-maze of any length: which way to turn at its end is shown at, or before, its beginning."""

from __future__ import annotations

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, NotPositive
from engram.common.random import purpose, randint
from engram.envs.diagnostic.t_maze_chance import random_walk_return
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_GOAL = purpose("goal")


class TMaze(NativeVectorEnv):
    """Walk down a corridor and turn to the side that was shown; the mazes of Ni et al. (2023).

    The agent begins at x = `oracle_length` of a corridor from the oracle, x = 0, to the junction,
    x = `oracle_length + corridor_length`, where the two goal candidates lie at y = 1 and y = -1. The actions
    0, 1, 2, 3 are right (x + 1), up (y + 1), left, down; a move into a wall does nothing.

    - `oracle_length=0` is the passive maze: the goal is in view where the episode begins.
    - `oracle_length=1` is the active maze of the paper: the agent must first step back to see it.

    An observation is (at the end, value): (0, y of the goal) on the first row at the oracle; (0, 0)
    everywhere else in the corridor and later at the oracle; (1, y) at the junction and the candidates.
    Positions in the corridor look alike, so that only a memory of the goal helps.

    An episode terminates after exactly `corridor_length + 2 * oracle_length + 1` actions, T. The last is
    worth 1, and the episode a success, if it leaves the agent on the goal's side; action t < T costs `penalty`
    if the agent lags behind afterwards (x < t - oracle_length), which stands for exploration. The way there and
    back is just long enough: the best return is 1. Walking on without a memory and turning at random is worth 0.5;
    random actions on the way lag behind, which `chance_return` tells.

    Args:
        num_envs: number of environments B.
        corridor_length: steps from the start to the junction, 1 or more.
        oracle_length: steps from the start back to the oracle; 0 is the passive maze.
        penalty: reward, 0 or less, of an action that leaves the agent behind; None is -1 / corridor_length,
            as in the authors' code.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        corridor_length: Count = 10,
        oracle_length: Index = 0,
        penalty: NotPositive | None = None,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "diagnostic/t_maze"
        self.oracle_length = oracle_length
        self.junction = oracle_length + corridor_length
        self.length = self.max_episode_steps = corridor_length + 2 * oracle_length + 1
        self.penalty = -1.0 / corridor_length if penalty is None else penalty
        self.single_observation_space = gs.Box(
            np.array([0, -1], dtype=np.float32), np.array([1, 1], dtype=np.float32)
        )
        self.single_action_space = gs.Discrete(4)
        self.best_return = 1.0
        self.chance_return = random_walk_return(corridor_length, oracle_length, self.penalty)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return {
            "goal": 2 * randint(2, seed, _GOAL, env_index, episode) - 1,
            "x": torch.full_like(episode, self.oracle_length),
            "y": torch.zeros_like(episode),
            "seen": torch.zeros_like(episode, dtype=torch.bool),  # the oracle, on an earlier row
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        x, y = task["x"], task["y"]
        along = (action == 0).long() - (action == 2).long()
        across = (action == 1).long() - (action == 3).long()
        moved = {
            "goal": task["goal"],
            "x": torch.where(y == 0, (x + along).clamp(0, self.junction), x),
            "y": torch.where(x == self.junction, (y + across).clamp(-1, 1), y),
            "seen": task["seen"] | (x == 0),
        }
        lags = moved["x"] < time + 1 - self.oracle_length
        reached = (moved["y"] == moved["goal"]).to(torch.float32)
        terminated = time + 1 == self.length
        reward = torch.where(terminated, reached, torch.where(lags, self.penalty, 0.0))
        return moved, reward, terminated, torch.zeros_like(terminated)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": reward > 0}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        return {"goal": Hidden((task["goal"] + 1) // 2, 2, is_shown=(task["x"] == 0) & ~task["seen"])}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        at_end = task["x"] == self.junction
        shown = torch.where((task["x"] == 0) & ~task["seen"], task["goal"], 0)
        return torch.stack((at_end.long(), torch.where(at_end, task["y"], shown)), dim=1).to(torch.float32)
