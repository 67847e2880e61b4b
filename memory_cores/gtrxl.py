"""GTrXL: a gated transformer over the last rows of the episode."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torch.nn.functional import relu

from memory_cores.attention import (
    init_linear,
    masked_softmax,
    merge_heads,
    sinusoids,
    split_heads,
    to_band,
)
from memory_cores.base import MemoryCore, pack_carry, positive_int
from memory_cores.cache import (
    Timeline,
    clear,
    counts_after,
    finite,
    is_filled,
    timeline,
    tokens_after,
    unroll,
    write,
)

SLICE = 128
"""Queries at a time in a sequence: memory and work are linear in its length."""


class GTrXL(MemoryCore):
    """Layers of attention and of a perceptron, each behind a gate that begins nearly closed.

    x' = G(x, relu(Attention(LN(x)))), out = G(x', relu(MLP(LN(x')))), where G is a GRU's update:
    r = σ(W_r y + U_r x), z = σ(W_z y + U_z x - b), h = tanh(W_h y + U_h (r ⊙ x)), (1 - z) ⊙ x + z ⊙ h.

    A layer's row attends to itself and the `memory_length` rows before it in the episode, by content and by
    age. What is stored of a row is the layer's normalised input. Gradients flow through all that is stored:
    an agent that learns on pieces of a rollout detaches the carry a piece starts from, as published.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of layers. Default: 2.
        num_heads: Attention heads of a layer. Default: 4.
        head_size: Width of a head. Default: 32.
        memory_length: Rows before the present one that a layer sees. Default: 128.
        mlp_size: Width of the perceptron's hidden layer. Default: 256.
        gate_bias: Initial b; with 2 a new layer passes 0.88 of its input on. Default: 2.0.

    Source: Parisotto et al., "Stabilizing transformers for reinforcement learning", 2020; relative positions:
    Dai et al., "Transformer-XL: attentive language models beyond a fixed-length context", 2019.
    """

    no_gradient_keys = ("count",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 256,
        num_layers: int = 2,
        num_heads: int = 4,
        head_size: int = 32,
        memory_length: int = 128,
        mlp_size: int = 256,
        gate_bias: float = 2.0,
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        positive_int("num_heads", num_heads)
        positive_int("head_size", head_size)
        positive_int("memory_length", memory_length)
        positive_int("mlp_size", mlp_size)
        count = positive_int("num_layers", num_layers)
        self.ring_size = memory_length + 1
        self.embed = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        self.layers = nn.ModuleList(
            GTrXLLayer(hidden_size, num_heads, head_size, memory_length, mlp_size, gate_bias)
            for _ in range(count)
        )
        self.carry_keys = (*(f"layer_{index}" for index in range(count)), "count")

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return empty stores.

        `layer_<i>` [B, memory_length + 1, hidden_size]: row n of the episode, normalised, in slot n modulo the
        number of slots; `count` [B] int64: rows the episode has had.
        """
        like = self._reference_parameter()
        carry = {
            key: like.new_zeros(batch_size, self.ring_size, self.output_size) for key in self.carry_keys[:-1]
        }
        count = like.new_zeros(batch_size, dtype=torch.int64)
        return TensorDict({**carry, "count": count}, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the stores slot by slot, zero where empty, [..., num_layers * (memory_length + 1) * hidden_size]."""
        filled = is_filled(carry["count"], self.ring_size).unsqueeze(-1)
        stores = [torch.where(filled, carry[key], 0.0).flatten(-2) for key in self.carry_keys[:-1]]
        return torch.cat(stores, dim=-1)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        u, kept = self.embed(x), {}
        time = timeline(carry["count"], is_first)
        for key, layer in zip(self.carry_keys, self.layers, strict=False):
            assert isinstance(layer, GTrXLLayer)
            u, tokens = layer(u, carry[key], carry["count"], time)
            kept[key] = tokens_after(carry[key], tokens, time, every)
        return u, pack_carry(is_first, every, **kept, count=counts_after(time, every))

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        u, kept = self.embed(x), {}
        count = torch.where(is_first, 0, carry["count"])
        for key, layer in zip(self.carry_keys, self.layers, strict=False):
            assert isinstance(layer, GTrXLLayer)
            u, kept[key] = layer.step(u, clear(carry[key], is_first, donate), count, donate)
        return u, TensorDict({**kept, "count": count + 1}, batch_size=carry.batch_size)


class GTrXLLayer(nn.Module):
    """Attention and a perceptron, each gated; the arguments are those of `GTrXL`."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        head_size: int,
        memory_length: int,
        mlp_size: int,
        gate_bias: float,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = RelativeAttention(hidden_size, num_heads, head_size, memory_length)
        self.attention_gate = Gate(hidden_size, gate_bias)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden_size),
            init_linear(nn.Linear(hidden_size, mlp_size), 2.0),
            nn.ReLU(),
            init_linear(nn.Linear(mlp_size, hidden_size), 2.0),
        )
        self.mlp_gate = Gate(hidden_size, gate_bias)

    def forward(self, u: Tensor, store: Tensor, count: Tensor, time: Timeline) -> tuple[Tensor, Tensor]:
        """Run a sequence: outputs and tokens to store, [B, T, hidden_size] each."""
        tokens = finite(self.norm(u)).to(store.dtype)
        tail = unroll(store, count, store.shape[1] - 1)
        return self._mix(u, self.attention(tokens, tail, time.position)), tokens

    def step(self, u: Tensor, store: Tensor, count: Tensor, donate: bool) -> tuple[Tensor, Tensor]:
        """Run one row with a store already emptied where an episode begins: output [B, hidden_size], store."""
        token = finite(self.norm(u)).to(store.dtype)
        store = write(store, count.remainder(store.shape[1]), token, donate)
        return self._mix(u, self.attention.step(token, store, count)), store

    def _mix(self, u: Tensor, read: Tensor) -> Tensor:
        u = self.attention_gate(u, relu(read))
        return self.mlp_gate(u, relu(self.mlp(u)))


class RelativeAttention(nn.Module):
    """Attention by content and age over a window; the arguments are those of `GTrXL`."""

    def __init__(self, hidden_size: int, num_heads: int, head_size: int, memory_length: int) -> None:
        super().__init__()
        width = num_heads * head_size
        self.num_heads = num_heads
        self.scale = head_size**-0.5
        self.query = init_linear(nn.Linear(hidden_size, width, bias=False), 1.0)
        self.key_value = init_linear(nn.Linear(hidden_size, 2 * width, bias=False), 1.0)
        self.age = init_linear(nn.Linear(hidden_size, width, bias=False), 1.0)
        self.content_bias = nn.Parameter(torch.zeros(num_heads, 1, head_size))
        self.age_bias = nn.Parameter(torch.zeros(num_heads, 1, head_size))
        self.output = init_linear(nn.Linear(width, hidden_size), 2.0)
        self.encoding: Tensor
        self.register_buffer("encoding", sinusoids(memory_length + 1, hidden_size), persistent=False)

    def forward(self, tokens: Tensor, tail: Tensor, position: Tensor) -> Tensor:
        """Run a sequence, a slice of queries at a time.

        Args:
            tokens: Of the rows, [B, T, D].
            tail: Of the rows before, oldest first, [B, W, D].
            position: Rows of the episode before each row, [B, T].

        Returns:
            [B, T, D].
        """
        reads = []
        window = self.key_value(tail)
        pieces = (self.query(tokens), self.key_value(tokens), position)
        for query, key_value, place in zip(*(piece.split(SLICE, dim=1) for piece in pieces), strict=True):
            window = torch.cat([window, key_value], dim=1)
            reads.append(self._read(query, window, place))
            window = window[:, query.shape[1] :]
        return self.output(torch.cat(reads, dim=1))

    def _read(self, query: Tensor, window: Tensor, position: Tensor) -> Tensor:
        """Attend from S queries to the tokens [B, W + S, 2 * width] that end with their own."""
        length, oldest = query.shape[1], window.shape[1] - query.shape[1]
        query = split_heads(query, self.num_heads)
        key, value = (split_heads(part, self.num_heads) for part in window.chunk(2, dim=-1))
        age = self._ages().flip(1)  # [heads, W + 1, size], oldest first
        by_age = (query + self.age_bias) @ age.mT
        scores = (query + self.content_bias) @ key.mT + to_band(by_age, length)
        row = torch.arange(length, device=window.device).unsqueeze(1)
        rows_ago = oldest + row - torch.arange(window.shape[1], device=window.device)  # [S, W + S]
        reach = position.clamp(max=oldest).unsqueeze(-1)
        is_valid = ((rows_ago >= 0) & (rows_ago <= reach)).unsqueeze(1)
        return merge_heads(masked_softmax(scores * self.scale, is_valid) @ value)

    def step(self, token: Tensor, store: Tensor, count: Tensor) -> Tensor:
        """Attend from one row to a store that holds it already.

        The projections of keys and values are applied to the query and to what was read, so that the stored
        tokens need none.

        Args:
            token: Of the row, [B, D].
            store: [B, W + 1, D].
            count: Rows of the episode before this one, [B].

        Returns:
            [B, D].
        """
        size = store.shape[1]
        rows_ago = (count.unsqueeze(1) - torch.arange(size, device=store.device)).remainder(size)
        is_valid = rows_ago <= count.unsqueeze(1)
        store = torch.where(is_valid.unsqueeze(-1), store, 0.0)
        query = self.query(token).unflatten(-1, (self.num_heads, -1))
        by_age = torch.einsum("bhe,hae->bha", query + self.age_bias.squeeze(1), self._ages())
        by_age = by_age.gather(2, rows_ago.unsqueeze(1).expand(-1, self.num_heads, -1))
        key, value = self.key_value.weight.unflatten(0, (2, self.num_heads, -1))  # [heads, size, D]
        absorbed = torch.einsum("bhe,hed->bhd", query + self.content_bias.squeeze(1), key)
        weights = masked_softmax((absorbed @ store.mT + by_age) * self.scale, is_valid.unsqueeze(1))
        return self.output(torch.einsum("bhd,hed->bhe", weights @ store, value).flatten(1))

    def _ages(self) -> Tensor:
        """Project the encodings of ages 0 … W, [heads, W + 1, size]."""
        return self.age(self.encoding).unflatten(-1, (self.num_heads, -1)).transpose(0, 1)


class Gate(nn.Module):
    """A GRU's update of the stream x by a branch y.

    Args:
        hidden_size: Width of both.
        bias: Initial value of b; the larger, the less of y passes.
    """

    def __init__(self, hidden_size: int, bias: float) -> None:
        super().__init__()
        self.branch = init_linear(nn.Linear(hidden_size, 3 * hidden_size, bias=False), 1.0)
        self.stream = init_linear(nn.Linear(hidden_size, 2 * hidden_size, bias=False), 1.0)
        self.candidate = init_linear(nn.Linear(hidden_size, hidden_size, bias=False), 1.0)
        self.bias = nn.Parameter(torch.full((hidden_size,), float(bias)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Mix x and y, [..., hidden_size] each."""
        reset_y, update_y, candidate_y = self.branch(y).chunk(3, dim=-1)
        reset_x, update_x = self.stream(x).chunk(2, dim=-1)
        update = (update_y + update_x - self.bias).sigmoid()
        candidate = (candidate_y + self.candidate((reset_y + reset_x).sigmoid() * x)).tanh()
        return x + update * (candidate - x)
