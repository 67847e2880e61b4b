"""The exam of the Memory Maze: look around once, then say what is seen at every turn with closed eyes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor

from engram.agents.world_model import Dreamer
from engram.common.streams import fractions, whole_numbers
from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.native import NativeVectorEnv
from engram.instruments.exam.episodes import Episodes
from engram.instruments.exam.scores import nearest_candidate, share
from engram.instruments.exam.task import ModelScores, TaskExam, as_batch

_LEFT, _RIGHT = 2, 3
# A row turns by 18.4 degrees: after so many the agent has seen all around it, and the first view once more.
_CIRCLE_ROWS = 21
_QUERY_ROWS = 24
# Nothing that is in view, 60 degrees wide, is in view any more a quarter of a turn later.
_IN_VIEW_ROWS = 5
_TURN_ON = 0.85
"""How likely an agent that looks where it likes goes on turning the same way."""


class TurningExam(TaskExam):
    """The agent stands where an episode begins and turns left, all around once; then half of the episodes go on so.

    In the others it turns left and right as it likes. No picture is shown any more. A prediction is scored by what the
    agent saw on its round: in the direction in which it looks now, or in one of the three a quarter, a half and three
    quarters of a turn from it. Walls and floors have the same looks in all four, so that knowing the episode's colours
    is no help: what counts is which place is where.
    """

    policy = "one turn to the left all around, then on to the left (even episodes) or left and right at will (odd ones)"
    _SCORED = "its prediction is nearer, pixel by pixel, to what was seen in this direction than to what was seen a "
    _SCORED += "quarter, a half and three quarters of a turn from it"
    meanings: ClassVar[Mapping[str, str]] = {
        "imagination": f"the first {_IN_VIEW_ROWS} rows of turning on, a part of which is still in view: {_SCORED}",
        "recall": f"the rows after these, which show again what was seen in the same order: {_SCORED}",
        "reasoning": f"turning left and right at will, where nothing of what was last shown is in view: {_SCORED}",
    }
    env_defaults: ClassVar[Mapping[str, Any]] = {"kwargs": {"image_size": 16, "num_layouts": 2_048}}
    held_out: ClassVar[Mapping[str, Any]] = {"kwargs": {"layout_seed": 1}}
    num_episodes = 2_048
    num_rows = _CIRCLE_ROWS + _QUERY_ROWS

    def __init__(self, env: NativeVectorEnv) -> None:
        is_maze = type(env) is MemoryMaze and isinstance(env.single_action_space, spaces.Discrete)
        if not is_maze or not isinstance(env.single_observation_space, spaces.Box):
            raise ValueError(
                "The maze's exam is set for pictures alone and discrete actions, but got observations "
                f"{env.single_observation_space} and actions {env.single_action_space}; leave out env.trials, "
                "env.projection, env.observable, and kwargs that change these."
            )

    def actions(self, num_episodes: int, key: int) -> Tensor:  # noqa: D102
        draws = fractions(whole_numbers(key, num_episodes * self.num_rows)).reshape(num_episodes, -1)
        switches = (draws > _TURN_ON)[:, _CIRCLE_ROWS - 1 :]
        switches[:, 0] = draws[:, 0] < 0.5
        at_will = torch.where(switches.cumsum(1) % 2 == 1, _RIGHT, _LEFT)
        actions = torch.full((num_episodes, self.num_rows), _LEFT)
        actions[1::2, _CIRCLE_ROWS - 1 :] = at_will[1::2]
        return actions

    def facts(self, env: NativeVectorEnv) -> dict[str, Tensor]:
        """Note in which direction the agents look."""
        assert isinstance(env, MemoryMaze) and env.state is not None
        return {"heading": env.scene(dict(env.state["task"].items())).heading}

    def evaluate(self, agent: Dreamer, episodes: Episodes) -> ModelScores:  # noqa: D102
        found = agent.open_loop(as_batch(agent, episodes), _CIRCLE_ROWS)
        imagined = found["obs"]["obs"][:, _CIRCLE_ROWS:].cpu().flatten(2)
        seen = found["true_obs"]["obs"][:, :_CIRCLE_ROWS].cpu().flatten(2)
        heading = episodes.facts["heading"]
        candidates = views_around(heading[:, :_CIRCLE_ROWS], heading[:, _CIRCLE_ROWS:])
        index = candidates.flatten(1).unsqueeze(-1).expand(-1, -1, seen.shape[-1])
        views = seen.gather(1, index).unflatten(1, candidates.shape[1:])
        is_right = nearest_candidate(imagined, views) == 0
        turning_on, at_will = is_right[0::2], is_right[1::2]
        away = turned(heading[:, _CIRCLE_ROWS - 1 : _CIRCLE_ROWS], heading[:, _CIRCLE_ROWS:])[1::2]
        scores = {
            "imagination": share(turning_on[:, :_IN_VIEW_ROWS], 0.25),
            "recall": share(turning_on[:, _IN_VIEW_ROWS:], 0.25),
            "reasoning": share(at_will[away > math.pi / 2], 0.25),
        }
        return ModelScores(scores, turning_on.float().mean(0).tolist())


def turned(before: Tensor, after: Tensor) -> Tensor:
    """The smaller angle between two directions in radians, in [0, π]."""
    return ((after - before + math.pi) % (2 * math.pi) - math.pi).abs()


def views_around(seen: Tensor, now: Tensor) -> Tensor:
    """Find the rows that looked in a direction, and a quarter, a half and three quarters of a turn from it.

    Args:
        seen: directions of the rows to choose from, radians `[N, S]`.
        now: directions `[N, Q]`.

    Returns:
        Of each, the row that looked nearest to it, int64 `[N, Q, 4]`.
    """
    wanted = now.unsqueeze(-1) + torch.arange(4) * (math.pi / 2)
    return turned(seen[:, None, None, :], wanted.unsqueeze(-1)).argmin(-1)
