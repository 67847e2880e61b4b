"""Memory tasks seen through a camera."""

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.envs import RecallFirst

COLOURS = torch.tensor([[220, 40, 40], [40, 200, 40], [40, 60, 220], [220, 200, 40]], dtype=torch.uint8)


class ColourRecall(RecallFirst):
    """`RecallFirst` whose cue is the colour of a square on a moving background; later the square is grey."""

    def __init__(self, num_envs: int, delay: int = 8, size: int = 24, device="cpu", env_index_offset=0):
        super().__init__(num_envs, delay, len(COLOURS), device, env_index_offset)
        self.size = size
        self.name = "test/colour_recall"
        self.single_observation_space = gs.Box(0, 255, (size, size, 3), np.uint8)

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        side = torch.arange(self.size, device=self.device)
        waves = 7 * side[:, None] + 13 * side + 29 * time[:, None, None]  # [B, size, size]
        image = (waves % 96 + 80).to(torch.uint8).unsqueeze(-1).repeat(1, 1, 1, 3)
        middle = slice(self.size // 4, 3 * self.size // 4)
        colour = torch.where((time == 0)[:, None], COLOURS.to(self.device)[task["cue"]], 128)
        image[:, middle, middle] = colour.to(torch.uint8)[:, None, None]
        return image

    def render(self, index: int) -> np.ndarray:
        assert self._row is not None
        return self._row["obs"][index].cpu().numpy()
