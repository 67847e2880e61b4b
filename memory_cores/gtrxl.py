"""GTrXL: a gated transformer over the last rows of the episode."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torch.nn.functional import relu

from memory_cores.base import MemoryCore, pack_carry, positive_int
from memory_cores.cache.attention import init_linear
from memory_cores.cache.relative_attention import RelativeAttention
from memory_cores.cache.store import (
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
from memory_cores.card import CoreCard


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

    card = CoreCard(
        family="cache",
        step_cost="O(L (H H + W H)), L layers, windows of W rows",
        training_cost="O(T L (H H + (W + S) H)) in slices of S rows; parallel in each layer",
        horizon="W rows in each layer, up to L W through the layers above",
        choose_when=(
            "Every one of the last rows may matter and is compared with the present one. Not for horizons far "
            "beyond W, with which costs grow, nor where the carry must be small (L W H numbers)."
        ),
    )
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
