"""Aaren: softmax attention of a learnt query to the whole episode, as a recurrence."""

import torch
from torch import Tensor, nn

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, select_initial
from engram.memory_cores.layered_core import Layer, LayeredCore
from engram.memory_cores.scan.maximum import running_maximum
from engram.memory_cores.scan_core import ScanCore, ScanMemory


class Aaren(LayeredCore, ScanCore):
    """Layers of attention, whose query is learnt and the same for every row, and of a perceptron.

    u' = u + W_o Attention(LN(u)), out = u' + MLP(LN(u')). A head's attention to all rows of the episode is kept
    up to date row by row: with s = q · k / √d,

    m' = max(m, s), c' = e^(m − m') c + e^(s − m'), w' = e^(m − m') w + e^(s − m') v, read = w' / c',

    where an episode begins with c = 0 and w = 0, and m counts only where c > 0.

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 128.
        num_layers: Number of layers. Default: 2.
        num_heads: Attention heads of a layer. Default: 4.
        head_size: Width of a head, d. Default: 32.
        mlp_size: Width of the perceptron's hidden layer. Default: 256.

    Source: Feng et al., "Attention as an RNN", 2024.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(L H (H + M)), L layers, perceptrons of M units",
        training_cost="O(T L H (H + M)); only O(T L H) elementwise work goes row by row",
        memory_length="the whole episode: nothing fades but by what outweighs it",
        choose_when=(
            "What matters shows by itself, in whatever row it stands, and an average of the episode tells it. Not "
            "where the newest of several has to be told from the older ones: it knows no order and never forgets."
        ),
        shown_by="diagnostic/t_maze",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_layers: Size = 2,
        num_heads: Size = 4,
        head_size: Size = 32,
        mlp_size: Size = 256,
    ) -> None:
        layers = [AarenLayer(hidden_size, num_heads, head_size, mlp_size) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers)


class AarenLayer(Layer):
    """Attention and a perceptron, each with a residual connection; the arguments are those of `Aaren`."""

    def __init__(self, hidden_size: int, num_heads: int, head_size: int, mlp_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = QueryAttention(hidden_size, num_heads, head_size)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden_size),
            Linear(hidden_size, mlp_size),
            nn.ReLU(),
            Linear(mlp_size, hidden_size),
        )

    def carry_spec(self) -> CarrySpec:
        """State what the attention carries."""
        return self.attention.carry_spec()

    def forward(self, u: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows; see `Layer.forward`."""
        u = u + self.attention(self.norm(u), memory)
        return u + self.mlp(u)


class QueryAttention(nn.Module):
    """Attention of learnt queries, one for each head, to the whole episode; the arguments are those of `Aaren`."""

    def __init__(self, hidden_size: int, num_heads: int, head_size: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(num_heads, head_size))
        self.key = Linear(hidden_size, num_heads * head_size, bias=False)
        self.value = Linear(hidden_size, num_heads * head_size, bias=False)
        self.output = Linear(num_heads * head_size, hidden_size, bias=False)

    def carry_spec(self) -> CarrySpec:
        """State `maximum` m and `count` c, [B, num_heads], and `values` w, [B, num_heads, head_size]; zero at first."""
        heads, size = self.query.shape
        return {"maximum": Leaf((heads,)), "count": Leaf((heads,)), "values": Leaf((heads, size))}

    def forward(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Run rows [*, hidden_size]; returns what is read, [*, hidden_size]."""
        dtype = memory.carry["values"].dtype
        heads, size = self.query.shape
        key, value = (part(x).unflatten(-1, (heads, size)).to(dtype) for part in (self.key, self.value))
        scores = (key * self.query.to(dtype)).sum(-1) * size**-0.5
        maximum, previous = self._maxima(scores, memory)
        keep, write = (previous - maximum).exp(), (scores - maximum).exp()
        count = memory.scan("count", keep, write)
        values = memory.scan("values", keep.unsqueeze(-1), write.unsqueeze(-1) * value)
        return self.output((values / count.unsqueeze(-1)).flatten(-2).to(x.dtype))

    def _maxima(self, scores: Tensor, memory: ScanMemory) -> tuple[Tensor, Tensor]:
        """Return the running maxima after and before every row; before an episode's first row it is −∞."""
        # A count is at least 1 after any row: the weight of the row with the largest score.
        before = torch.where(memory.before("count") == 0, -torch.inf, memory.before("maximum"))
        if memory.carry_every is None:
            maximum = torch.maximum(before, scores)
        else:
            maximum = running_maximum(scores, memory.is_first, before)
            joined = torch.cat([before.unsqueeze(1), maximum[:, :-1]], dim=1)
            before = select_initial(memory.is_first, -torch.inf, joined)
        memory.keep("maximum", maximum)
        return maximum, before
