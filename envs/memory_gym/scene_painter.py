"""How pictures are put together in which a player may stand at any pixel: from columns of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.envs.memory_gym.sprites import SIDE, TURNED_SIZE, draw_turned_players
from engram.envs.memory_gym.torus_walk import MARGIN

# A column of 84 pixels is 63 whole numbers of 32 bits.
_COLUMN = SIDE * 3 // 4
_HALF = TURNED_SIZE // 2
_PLACES = SIDE + 2 * MARGIN + 1


class ScenePainter:
    """Draws a player over one of several scenes, and a white sign over both.

    Every scene is drawn with every sign beforehand, and every column of a player at every height. A picture is a copy
    of such a scene, into which the columns that show the player are written.

    Args:
        scenes: pictures without a player, uint8 [S, 84, 84, 3], x before y.
        signs: bool [N, 84, 84], what each of the signs covers.
        device: where pictures are drawn.
    """

    def __init__(self, scenes: Tensor, signs: Tensor, device: torch.device) -> None:
        self._num_signs = len(signs)
        signed = scenes[:, None].repeat(1, len(signs), 1, 1, 1).masked_fill_(signs[None, ..., None], 255)
        white = torch.zeros(*signs.shape, 3, dtype=torch.uint8).masked_fill_(signs[..., None], 255)
        players, kept = _player_columns()
        self._scenes, self._white, self._players, self._kept = (
            part.reshape(-1, SIDE * 3).view(torch.int32).to(device) for part in (signed, white, players, kept)
        )
        self._columns = torch.arange(-_HALF, _HALF, device=device)

    def paint(self, scene: Tensor, sign: Tensor, x: Tensor, y: Tensor, look: Tensor) -> Tensor:
        """Draw pictures.

        Args:
            scene: int64 [B].
            sign: int64 [B].
            x: the player's place, to the right, int64 [B]; at most three pixels outside.
            y: the same, down.
            look: 0 … 7 as it looks up, left and up, left, …, int64 [B].

        Returns:
            uint8 [B, 84, 84, 3], x before y.
        """
        shown = (scene * self._num_signs + sign)[:, None] * SIDE
        # Of columns outside, the nearest one inside is drawn once more, the same again.
        column = (x[:, None] + self._columns).clamp(0, SIDE - 1)
        within = column - x[:, None] + _HALF
        player = ((look[:, None] * TURNED_SIZE + within) * _PLACES + y[:, None] + MARGIN).flatten()
        drawn = self._scenes.index_select(0, (shown + column).flatten())
        drawn &= self._kept.index_select(0, player)
        drawn |= self._players.index_select(0, player)
        drawn |= self._white.index_select(0, (sign[:, None] * SIDE + column).flatten())
        pictures = self._scenes.view(-1, SIDE * _COLUMN).index_select(0, shown[:, 0] // SIDE)
        first = torch.arange(len(x), device=x.device)[:, None] * SIDE
        pictures.view(-1, _COLUMN).index_copy_(0, (first + column).flatten(), drawn)
        return pictures.view(torch.uint8).view(len(x), SIDE, SIDE, 3)


def _player_columns() -> tuple[Tensor, Tensor]:
    """Every column of a player that looks any way, at any height.

    Returns:
        Its colours, 0 elsewhere, and 255 where a column is left as it is, 0 elsewhere: uint8 [8, 16, 91, 84, 3] both.
    """
    colors, covered = draw_turned_players()
    # Whatever is above or below the picture is cut off.
    beyond = _HALF + MARGIN
    players = torch.zeros(*covered.shape[:2], _PLACES, SIDE + 2 * beyond, 3, dtype=torch.uint8)
    kept = torch.full_like(players, 255)
    for number in range(_PLACES):
        begin = number - MARGIN - _HALF + beyond
        players[:, :, number, begin : begin + TURNED_SIZE] = colors * covered[..., None]
        kept[:, :, number, begin : begin + TURNED_SIZE] = torch.where(covered[..., None], 0, 255)
    return players[:, :, :, beyond:-beyond].contiguous(), kept[:, :, :, beyond:-beyond].contiguous()
