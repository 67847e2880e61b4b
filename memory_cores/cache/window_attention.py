"""Attention from each row to the episode's last rows: stated once, run by slices of a sequence or on a ring."""

import torch
from torch import Tensor, nn

from engram.memory_cores.cache.attention import SLICE, merge_heads, split_heads
from engram.memory_cores.reads import Attention


class WindowAttention(nn.Module):
    """What `CacheMemory.attend` reads with. A subclass sets `query` and `output`, and states `weights` or `read`.

    One that states `weights` sets `num_heads` too, and instruments can say what it attends to; one that reads in
    another way states `read` alone.

    A row sees the W rows before it and itself, as far as they are of its episode. It is a slice of length one, whose
    tokens lie in the order of the ring; a subclass which has a faster way for it than `read` has its own `step`.
    """

    query: nn.Module
    output: nn.Module
    num_heads: int

    def token(self, x: Tensor) -> Tensor:
        """Say what is stored of rows, [*, n] to [*, D]; by default all."""
        return x

    def project(self, tokens: Tensor) -> Tensor:
        """Compute keys, and values, of every token, once for all who read it: [B, N, D] to [B, N, 2 * width]."""
        return tokens

    def weights(self, query: Tensor, window: Tensor, rows_ago: Tensor, is_valid: Tensor) -> Tensor:
        """Weigh a window's tokens for S queries; arguments as of `read`. Returns [B, heads, S, N]."""
        raise NotImplementedError(f"{type(self).__name__} states no weights")

    @property
    def states_weights(self) -> bool:
        """Whether a subclass does."""
        return type(self).weights is not WindowAttention.weights

    def read(self, query: Tensor, window: Tensor, rows_ago: Tensor, is_valid: Tensor) -> Tensor:
        """Read a window with S queries.

        Args:
            query: [B, S, *].
            window: Of projected tokens, [B, N, 2 * width].
            rows_ago: How many rows before its query a token was stored, [B, S, N] or [S, N].
            is_valid: Whether a query may see a token, [B, S, N] bool; its own it always may.

        Returns:
            What was read, [B, S, *].
        """
        value = split_heads(window.chunk(2, dim=-1)[1], self.num_heads)
        return merge_heads(self.weights(query, window, rows_ago, is_valid) @ value)

    def look(self, x: Tensor, tokens: Tensor, tail: Tensor, position: Tensor) -> Attention:
        """Say how a sequence's rows are weighed; arguments as of `forward`."""
        window = self.project(torch.cat([tail, tokens], dim=1))
        weights = self.weights(self.query(x), window, *_ages(window, position))
        oldest = tail.shape[1]
        return Attention(weights[..., oldest:], weights[..., :oldest].sum(-1))

    def forward(self, x: Tensor, tokens: Tensor, tail: Tensor, position: Tensor) -> Tensor:
        """Run a sequence, a slice of queries at a time.

        Args:
            x: Rows, [B, T, n].
            tokens: Of the rows, [B, T, D].
            tail: Of the rows before, oldest first, [B, W, D].
            position: Rows of the episode before each row, [B, T].

        Returns:
            [B, T, n].
        """
        reads = []
        window = self.project(tail)
        pieces = (self.query(x), self.project(tokens), position)
        for query, projected, place in zip(*(piece.split(SLICE, dim=1) for piece in pieces), strict=True):
            window = torch.cat([window, projected], dim=1)
            reads.append(self.read(query, window, *_ages(window, place)))
            window = window[:, query.shape[1] :]
        return self.output(torch.cat(reads, dim=1))

    def step(self, x: Tensor, store: Tensor, count: Tensor) -> Tensor:
        """Attend from one row to a ring that holds its token already.

        Args:
            x: The row, [B, n].
            store: [B, W + 1, D].
            count: Rows of the episode before this one, [B].

        Returns:
            [B, n].
        """
        size = store.shape[1]
        rows_ago = (count.unsqueeze(1) - torch.arange(size, device=store.device)).remainder(size)
        is_valid = rows_ago <= count.unsqueeze(1)
        window = self.project(torch.where(is_valid.unsqueeze(-1), store, 0.0))
        query = self.query(x).unsqueeze(1)
        return self.output(self.read(query, window, rows_ago.unsqueeze(1), is_valid.unsqueeze(1)).squeeze(1))


def _ages(window: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """Say how old tokens are, and which are seen.

    Args:
        window: Of W tokens and those of S rows, [B, W + S, *].
        position: Rows of the episode before each row, [B, S].

    Returns:
        How many rows before its query a token was stored, [S, W + S], and whether it is seen, [B, S, W + S].
    """
    length, oldest = position.shape[1], window.shape[1] - position.shape[1]
    row = torch.arange(length, device=window.device).unsqueeze(1)
    rows_ago = oldest + row - torch.arange(window.shape[1], device=window.device)
    reach = position.clamp(max=oldest).unsqueeze(-1)
    return rows_ago, (rows_ago >= 0) & (rows_ago <= reach)
