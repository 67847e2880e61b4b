"""Attention whose queries and keys are turned by their age, over a window that moves with the rows."""

import torch
from torch import Tensor

from engram.common.dense import Linear
from engram.memory_cores.cache.attention import init_linear, masked_softmax, split_heads
from engram.memory_cores.cache.window_attention import WindowAttention
from engram.memory_cores.carry import state_dtype


class RotaryAttention(WindowAttention):
    """Softmax of ⟨R(n) q, R(m) k⟩ / √size for rows n and m, where R(n) turns pair i of a head by n 10000^(-2i / size).

    What is stored of a row are its keys and values, the keys not turned yet: only differences of n and m matter, and
    counted from the present row they stay small however long an episode is.

    Args:
        hidden_size: Width of the rows.
        num_heads: Attention heads.
        head_size: Width of a head; even.
        scale: Initial variance of the output for an input of variance 1.

    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.
    """

    def __init__(self, hidden_size: int, num_heads: int, head_size: int, scale: float) -> None:
        super().__init__()
        width = num_heads * head_size
        self.num_heads, self.head_size = num_heads, head_size
        self.query = init_linear(Linear(hidden_size, width, bias=False), 1.0)
        self.key_value = init_linear(Linear(hidden_size, 2 * width, bias=False), 1.0)
        self.output = init_linear(Linear(width, hidden_size), scale)

    def token(self, x: Tensor) -> Tensor:
        """Compute keys and values, [*, 2 * width]."""
        return self.key_value(x)

    def weights(self, query: Tensor, window: Tensor, rows_ago: Tensor, is_valid: Tensor) -> Tensor:
        """Weigh tokens for S queries; see `WindowAttention.weights`."""
        key = split_heads(window.chunk(2, dim=-1)[0], self.num_heads)
        steps = query.shape[1]
        place = torch.arange(1 - steps, 1, device=query.device)  # the last query is at 0
        query = self._turn(split_heads(query, self.num_heads), place)
        key = self._turn(key, -rows_ago[..., -1, :])
        scores = query @ key.mT * self.head_size**-0.5
        return masked_softmax(scores, is_valid.unsqueeze(1))

    def _turn(self, x: Tensor, place: Tensor) -> Tensor:
        """Turn each pair of a head, the first and the second half's i-th.

        Args:
            x: [B, heads, N, size].
            place: [N] or [B, N] int.

        Returns:
            [B, heads, N, size].
        """
        dtype, size = state_dtype(x.dtype), self.head_size
        frequency = 1e4 ** (-torch.arange(0, size, 2, device=x.device, dtype=dtype) / size)
        angle = (place.to(dtype).unsqueeze(-1) * frequency).unsqueeze(-3)  # [1 or B, 1, N, size / 2]
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
