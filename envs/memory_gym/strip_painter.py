"""How pictures of a board are put together: from strips of a few columns of pixels, all of which are drawn before."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.envs.memory_gym.sprites import PLAYER_SIZE, SIDE, draw_players


class StripPainter:
    """Draws a player on a board of square tiles, in one of several scenes.

    What a strip shows depends on the scene, and on the player if it stands there. So a picture is `num_strips` rows of
    a table, which is drawn once: with the player in every column of the board at once.

    Args:
        scenes: boards without a player, uint8 [S, 84, 84, 3], x before y.
        size: tiles along a side of the board, which lies in the middle.
        tile: pixels along a side of a tile.
        num_strips: of a picture; none shows parts of two columns of tiles.
        device: where pictures are drawn.
        cross: a colour, and the pixels of the player over which it may be drawn; None: it never is.
        signs: bool [S, 84, 84], what is drawn white over the board and the player; None: nothing.
    """

    def __init__(
        self,
        scenes: Tensor,
        size: int,
        tile: int,
        num_strips: int,
        device: torch.device,
        cross: tuple[Tensor, Tensor] | None = None,
        signs: Tensor | None = None,
    ) -> None:
        self.num_scenes = len(scenes)
        begin = (SIDE - size * tile) // 2
        looks = _looks(cross)
        num_players = 1 + size * len(looks)
        pictures = scenes[:, None].repeat(1, num_players, 1, 1, 1)
        for row in range(size):
            for number, (colors, covered) in enumerate(looks):
                player = pictures[:, 1 + row * len(looks) + number]
                for column in range(size):
                    left, top = (begin + place * tile + (tile - PLAYER_SIZE) // 2 for place in (column, row))
                    part = player[:, left : left + PLAYER_SIZE, top : top + PLAYER_SIZE]
                    part[:, covered] = colors[covered]
        if signs is not None:
            pictures.masked_fill_(signs[:, None, ..., None], 255)
        width = SIDE // num_strips
        strips = pictures.view(len(scenes), num_players, num_strips, width * SIDE * 3)
        self._strips = strips.permute(2, 0, 1, 3).reshape(-1, width * SIDE * 3).to(device)
        left_of = torch.arange(num_strips) * width - begin
        self.columns = left_of.div(tile, rounding_mode="floor").to(device)
        """Which column of tiles a strip shows part of, int64 [num_strips]; none if it is not in 0 … size - 1."""
        self._first = (torch.arange(num_strips) * self.num_scenes).to(device)
        self._num_players, self._num_looks = num_players, len(looks)

    def paint(self, scene: Tensor, x: Tensor, y: Tensor, look: Tensor) -> Tensor:
        """Draw pictures.

        Args:
            scene: of every strip, int64 [B, num_strips], or [B, 1].
            x: column of the player's tile, int64 [B].
            y: its row, int64 [B].
            look: 0 … 3 looking up, left, down, right, and 4 more with the cross, int64 [B].

        Returns:
            uint8 [B, 84, 84, 3], x before y.
        """
        player = torch.where(self.columns == x[:, None], (1 + y * self._num_looks + look)[:, None], 0)
        strip = (self._first + scene) * self._num_players + player
        return self._strips.index_select(0, strip.flatten()).view(len(x), SIDE, SIDE, 3)


def _looks(cross: tuple[Tensor, Tensor] | None) -> list[tuple[Tensor, Tensor]]:
    """The player in its four directions, then the same under a cross: colours, and the pixels that they cover."""
    looks = list(zip(*draw_players(), strict=True))
    if cross is not None:
        color, crossed = cross
        looks += [
            (torch.where(crossed[..., None], color, colors), covered | crossed) for colors, covered in looks
        ]
    return looks
