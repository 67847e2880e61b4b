"""Stable Hadamard memory: a matrix whose every element is kept, weakened or strengthened by each row."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from engram.common.dense import Linear
from engram.common.option_types import Positive, Size
from engram.common.random import randint
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory

Drive = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class SHM(LoopCore):
    """One layer of a stable Hadamard memory.

    With u = LN(x), k and q = relu(W u) / (1e−5 + Σ relu(W u)), v = W_v u, c = W_c u and η = σ(w · u):
    M' = M ⊙ (1 + tanh(θ cᵀ)) + η v kᵀ, y = W_o LN(M' q) + b + W_s x.

    The factors of an element lie between 0 and 2 and are 1 on average, so that what is held neither fades nor grows by
    itself. But their product has no bound: the elements of M' are held within ± `memory_limit`, as in the authors'
    later runs; without it they overflow after thousands of alike rows.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the output. Default: 128.
        memory_size: Rows and columns of M. Default: 32.
        theta: "fixed", one vector that is learnt, as the runs on POPGym had it; "random", a row of a learnt table,
            drawn by the row's place in the episode: a row which is learnt on again has the same. Default: "fixed".
        num_thetas: Rows of that table, for "random" alone. Default: 128.
        memory_limit: Bound of the elements of M; None is no bound. Default: 100.0.
        norm: Normalise what is read, which else is small at first, about 1 / `memory_size`; False is as published.
            Default: True.

    Source: Le et al., "Stable Hadamard memory: revitalizing memory-augmented agents for reinforcement learning", 2025.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(m (I + H + m)), m by m memory",
        training_cost="O(T m (I + H + m)); O(T m m) elementwise work goes row by row",
        memory_length="hundreds of rows at first: what is held changes by a few hundredths a row; it is learnt",
        choose_when=(
            "Single facts must be kept, corrected or erased one by one over a long time. Not for speed, nor where a "
            "vector is memory enough."
        ),
        shown_by="popgym/autoencode_easy",
    )

    seed: Tensor

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        memory_size: Size = 32,
        theta: Literal["fixed", "random"] = "fixed",
        num_thetas: Size = 128,
        memory_limit: Positive | None = 100.0,
        norm: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.memory_size, self.memory_limit, self.is_random = memory_size, memory_limit, theta == "random"
        self.norm = nn.LayerNorm(input_size)
        self.project = Linear(input_size, 4 * memory_size, bias=False)  # k, q, v, c
        self.write = Linear(input_size, 1, bias=False)
        table = nn.init.xavier_uniform_(torch.empty(num_thetas, memory_size))
        self.theta = nn.Parameter(table if self.is_random else table[:1].clone())
        self.read_norm = nn.LayerNorm(memory_size) if norm else nn.Identity()
        self.output = Linear(memory_size, hidden_size)
        self.skip = Linear(input_size, hidden_size, bias=False)
        if self.is_random:
            self.register_buffer("seed", torch.randint(2**31, ()))

    def carry_spec(self) -> CarrySpec:
        """State `memory`, [B, memory_size, memory_size], zero at first, and with random θ the `count` of rows, [B]."""
        memory = {"memory": Leaf((self.memory_size, self.memory_size))}
        return memory | {"count": Leaf((), "count")} if self.is_random else memory

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Project all rows, run the loop, and read out; see the class."""
        before = memory.before("memory")
        u = self.norm(x)
        key, query, value, change = self.project(u).to(before.dtype).chunk(4, dim=-1)
        value = self.write(u).sigmoid().to(before.dtype) * value
        theta = self._theta(memory).to(before.dtype).expand_as(change)
        with torch.autocast(x.device.type, enabled=False):
            drive = theta, change, value, shares(key), shares(query)
            read = self.loop(drive, {"memory": before}, memory)
        return self.output(self.read_norm(read.to(x.dtype))) + self.skip(x)

    def row(self, drive: Drive, states: States) -> tuple[Tensor, States]:
        """Change every element, write, and read; see `RowLoop.row`."""
        theta, change, value, key, query = drive
        factors = 1 + (theta.unsqueeze(-1) * change.unsqueeze(-2)).tanh()
        memory = torch.addcmul(states["memory"] * factors, value.unsqueeze(-1), key.unsqueeze(-2))
        if self.memory_limit is not None:
            memory = memory.clamp(-self.memory_limit, self.memory_limit)
        return (memory @ query.unsqueeze(-1)).squeeze(-1), {"memory": memory}

    def _theta(self, memory: Memory) -> Tensor:
        """Return θ for each row, [*, memory_size], or the one for all."""
        if not self.is_random:
            return self.theta[0]
        return self.theta[randint(len(self.theta), self.seed, memory.position("count"))]


def shares(x: Tensor) -> Tensor:
    """Turn numbers [..., n] into shares of what is positive among them, which add up to 1, or to 0 if nothing is."""
    x = relu(x)
    return x / (1e-5 + x.sum(dim=-1, keepdim=True))
