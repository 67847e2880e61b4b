"""Visual Match: a colour shown at the beginning is to be chosen at the end, with an orchard between."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.beginnings import redrawn
from engram.envs.hidden import Hidden
from engram.envs.tvt.boards import MATCH_EXPLORE, MATCH_REWARD, NUM_CELLS, ORCHARD, RED, cells_of
from engram.envs.tvt.three_phases import EXPLORE, REWARD, ThreePhases

_TARGET, _PLACE = purpose("target"), purpose("place of the color")
# By delay, the mean return of uniformly random actions with ten apples, measured over 20,000 episodes.
CHANCE_RETURNS = {30: 3.10, 60: 5.71}


class VisualMatch(ThreePhases):
    """Choose among three colours the one seen much earlier; Hung et al. (2019), passive as Ni et al. (2023) play it.

    In the first phase the player cannot move and sees one of three colours beside it. In the last phase, of 15 actions,
    red, green and blue lie at the far wall of a room, always in this order; the first one that the player reaches
    removes all three, and is worth 5 if it has the colour that was seen.

    The orchard, rows and arguments are those of `engram.envs.tvt.three_phases.ThreePhases`. In the original the order
    of the colours is drawn once for a process.

    Args:
        num_envs: number of environments B.
        delay: actions in the orchard.
        num_apples: in the orchard at once.
        observation: `symbols`, categories of 5 x 5 cells, or `pixels`, uint8 [5, 5, 3].
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        delay: Count = 60,
        num_apples: Annotated[int, Whole(0, 22, example="10")] = 10,
        observation: Literal["symbols", "pixels"] = "symbols",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        boards = (MATCH_EXPLORE, ORCHARD, MATCH_REWARD)
        super().__init__(num_envs, boards, delay, 15, num_apples, observation, device, env_index_offset)
        self.name = "tvt/visual_match"
        self.chance_return = CHANCE_RETURNS.get(delay) if num_apples == 10 else None
        self._ring = cells_of(MATCH_EXPLORE, "#").to(self.device)
        self._objects = cells_of(MATCH_REWARD, "o").to(self.device)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.begin_within(seed, env_index, episode, torch.zeros_like(episode))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        draws = hash_prefix(seed, env_index, trial)
        no = torch.zeros_like(seed, dtype=torch.bool)
        return {
            "position": self._starts[EXPLORE].expand(len(seed)).clone(),
            "target": randint(len(self._objects), _TARGET, prefix=draws),
            "cue": self._ring[randint(len(self._ring), _PLACE, prefix=redrawn(draws, number))],
            "is_chosen": no,
            "is_paid": no.clone(),
            **self.orchard(draws),
        }

    def use(  # noqa: D102
        self, task: dict[str, Tensor], frame: Tensor, phase: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        reached = (self._objects == task["position"][:, None]).any(1) & (phase == REWARD)
        right = (task["position"] == self._objects[task["target"]]) & reached & ~task["is_chosen"]
        task["is_chosen"] = task["is_chosen"] | reached
        task["is_paid"] = task["is_paid"] | right
        return task, right

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the colour that is to be chosen, in the order red, green, blue, and which cell the player is in."""
        is_explored = self.phase_of(time) == EXPLORE  # the cue lies beside the player, who cannot leave
        return {
            "target": Hidden(task["target"], len(self._objects), is_shown=is_explored),
            "position": Hidden(task["position"], NUM_CELLS, rows_ago=torch.zeros_like(time)),
        }

    def sprites(  # noqa: D102
        self, task: dict[str, Tensor], phase: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor | int]]:
        are_there = (phase == REWARD) & ~task["is_chosen"]
        choices: list[tuple[Tensor, Tensor, Tensor | int]] = [
            (are_there, cell.expand(len(phase)), RED + number) for number, cell in enumerate(self._objects)
        ]
        return [(phase == EXPLORE, task["cue"], RED + task["target"]), *choices]
