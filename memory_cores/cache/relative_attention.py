"""Attention by content and by age over a window that moves with the rows."""

import torch
from torch import Tensor, nn

from engram.common.dense import Linear
from engram.memory_cores.cache.attention import (
    init_linear,
    masked_softmax,
    sinusoids,
    split_heads,
    to_band,
)
from engram.memory_cores.cache.window_attention import WindowAttention


class RelativeAttention(WindowAttention):
    """Attention by content and age over a window.

    Args:
        hidden_size: Width of the rows.
        num_heads: Attention heads.
        head_size: Width of a head.
        memory_length: Rows before the present one that are seen.
        scale: Initial variance of the output for an input of variance 1. Default: 2.0, for a ReLU after it.
    """

    def __init__(
        self, hidden_size: int, num_heads: int, head_size: int, memory_length: int, scale: float = 2.0
    ) -> None:
        super().__init__()
        width = num_heads * head_size
        self.num_heads = num_heads
        self.scale = head_size**-0.5
        self.query = init_linear(Linear(hidden_size, width, bias=False), 1.0)
        self.key_value = init_linear(Linear(hidden_size, 2 * width, bias=False), 1.0)
        self.age = init_linear(Linear(hidden_size, width, bias=False), 1.0)
        self.content_bias = nn.Parameter(torch.zeros(num_heads, 1, head_size))
        self.age_bias = nn.Parameter(torch.zeros(num_heads, 1, head_size))
        self.output = init_linear(Linear(width, hidden_size), scale)
        self.encoding: Tensor
        self.register_buffer("encoding", sinusoids(memory_length + 1, hidden_size), persistent=False)

    def project(self, tokens: Tensor) -> Tensor:
        """Compute keys and values, [B, T, 2 * width]."""
        return self.key_value(tokens)

    def weights(self, query: Tensor, window: Tensor, rows_ago: Tensor, is_valid: Tensor) -> Tensor:
        """Weigh the tokens that end with the queries' own; see `WindowAttention.weights`."""
        query = split_heads(query, self.num_heads)
        key = split_heads(window.chunk(2, dim=-1)[0], self.num_heads)
        age = self._ages().flip(1)  # [heads, W + 1, size], oldest first
        by_age = (query + self.age_bias) @ age.mT
        scores = (query + self.content_bias) @ key.mT + to_band(by_age, query.shape[2])
        return masked_softmax(scores * self.scale, is_valid.unsqueeze(1))

    def step(self, x: Tensor, store: Tensor, count: Tensor) -> Tensor:
        """Attend from one row to a ring that holds it already; see `WindowAttention.step`.

        The projections of keys and values are applied to the query and to what was read, so that the stored
        tokens need none.
        """
        size = store.shape[1]
        rows_ago = (count.unsqueeze(1) - torch.arange(size, device=store.device)).remainder(size)
        is_valid = rows_ago <= count.unsqueeze(1)
        store = torch.where(is_valid.unsqueeze(-1), store, 0.0)
        query = self.query(x).unflatten(-1, (self.num_heads, -1))
        by_age = torch.einsum("bhe,hae->bha", query + self.age_bias.squeeze(1), self._ages())
        by_age = by_age.gather(2, rows_ago.unsqueeze(1).expand(-1, self.num_heads, -1))
        key, value = self.key_value.weight.unflatten(0, (2, self.num_heads, -1))  # [heads, size, D]
        absorbed = torch.einsum("bhe,hed->bhd", query + self.content_bias.squeeze(1), key)
        weights = masked_softmax((absorbed @ store.mT + by_age) * self.scale, is_valid.unsqueeze(1))
        return self.output(torch.einsum("bhd,hed->bhe", weights @ store, value).flatten(1))

    def _ages(self) -> Tensor:
        """Project the encodings of ages 0 … W, [heads, W + 1, size]."""
        return self.age(self.encoding).unflatten(-1, (self.num_heads, -1)).transpose(0, 1)
