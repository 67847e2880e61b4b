"""Gated linear attention of constant memory: outer products of keys and values in oscillating traces of both."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from engram.common.dense import Linear
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.scan_core import ScanMemory
from engram.memory_cores.time_scales import chrono_bias

EPSILON = 1e-5


class ApproximateAttention(nn.Module):
    """The attention of an `AGaLiTe` layer, whose equations and arguments these are."""

    def __init__(self, hidden_size: int, num_heads: int, head_size: int, eta: int, r: int) -> None:
        super().__init__()
        self.num_heads, self.head_size, self.eta, self.r = num_heads, head_size, eta, r
        # The frequencies that are not another's negative, from the largest down, and how many of the r they stand for.
        places = [(-1 + 2 * j / (r - 1) if r > 1 else -1) for j in range((r + 1) // 2)]
        self.frequencies = [math.pi * -place for place in places]
        self.counts = [1 if 2 * j + 1 == r else 2 for j in range(len(places))]
        self.project = init_orthogonal(Linear(hidden_size, num_heads * 5 * head_size))  # k, q, v, b, g
        self.widen = init_orthogonal(Linear(hidden_size, num_heads * 3 * eta))  # p₁, p₂, p₃
        self.output = init_orthogonal(Linear(num_heads * head_size, hidden_size))

    def spread_time_scales(self, max_time_scale: int) -> None:
        """Let the traces fade in different numbers of rows, by the biases of b and g."""
        gates = self.project.bias.data.view(self.num_heads, 5, self.head_size)[:, 3:]
        gates.copy_(-chrono_bias(gates.numel(), max_time_scale).view_as(gates))

    def carry_spec(self) -> CarrySpec:
        """State `keys` k̃ [B, R, heads, η d], `values` ṽ [B, R, heads, d], `sum` s and `count`, zero at first."""
        heads, size, stored = self.num_heads, self.head_size, len(self.frequencies)
        wide = self.eta * size
        return {
            "keys": Leaf((stored, heads, wide)),
            "values": Leaf((stored, heads, size)),
            "sum": Leaf((heads, wide)),
            "count": Leaf((), "count"),
        }

    def forward(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows [*, hidden_size]; returns what is read, [*, hidden_size]."""
        dtype = memory.carry["values"].dtype
        heads = (self.num_heads, -1)
        key, query, value, beta, gamma = self.project(x).to(dtype).unflatten(-1, heads).chunk(5, dim=-1)
        key_factor, query_factor, gamma_factor = self.widen(x).to(dtype).unflatten(-1, heads).chunk(3, dim=-1)
        query = outer(relu(query), relu(query_factor))
        gamma, beta = outer(gamma.sigmoid(), gamma_factor.sigmoid()), beta.sigmoid()
        written, value = gamma * outer(relu(key), relu(key_factor)), beta * value
        waves = self._waves(memory.position("count") + 2).to(dtype)
        total = memory.scan("sum", 1 - gamma, written)
        keys = memory.scan("keys", (1 - gamma).unsqueeze(-3), waves * written.unsqueeze(-3))
        values = memory.scan("values", (1 - beta).unsqueeze(-3), waves * value.unsqueeze(-3))
        matches = (keys * query.unsqueeze(-3)).sum(-1, keepdim=True)
        parts = (matches * values).unbind(-3)
        read = sum(count * part for count, part in zip(self.counts, parts, strict=True))
        read = read / (2 * self.r * (total * query).sum(-1, keepdim=True) + EPSILON)
        return self.output(read.flatten(-2).to(x.dtype))

    def _waves(self, time: Tensor) -> Tensor:
        """Return cos(ω t) for each frequency, [*, (r + 1) // 2, 1, 1] float64, of rows t [*]."""
        angles = [frequency * time.to(torch.float64) for frequency in self.frequencies]
        return torch.stack(angles, dim=-1).cos().unsqueeze(-1).unsqueeze(-1)


def outer(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply [*, d] and [*, η] to [*, η d]."""
    return (factors.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2)


def init_orthogonal(layer: nn.Linear) -> nn.Linear:
    """Draw orthogonal weights of gain √2, set the bias to zero, and return the layer."""
    nn.init.orthogonal_(layer.weight, math.sqrt(2))
    nn.init.zeros_(layer.bias)
    return layer
