"""What the layers of matrix memories share: projections to heads, and a norm and a gate behind what is read."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import silu

from engram.common.dense import Linear
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.layered_core import Layer

FeatureMap = Literal["relu", "none"]
"""Of queries and keys. With relu about half of the channels are silent in any row: what is written again and again
leaves the others to what was written once."""


def to_heads(x: Tensor, num_heads: int) -> Tensor:
    """Turn [..., H * n] into [..., H, n]."""
    return x.unflatten(-1, (num_heads, -1))


class MatrixLayer(Layer):
    """A layer of heads with a matrix [K, V] each, whose queries, keys and values are linear in the row.

    Args:
        hidden_size: Width of input and output.
        num_heads: H.
        key_size: K.
        value_size: V.
        feature_map: What queries and keys go through. Default: "none".
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        feature_map: FeatureMap = "none",
    ) -> None:
        super().__init__()
        self.feature_map = feature_map
        self.num_heads, self.key_size, self.value_size = num_heads, key_size, value_size
        self.query = Linear(hidden_size, num_heads * key_size, bias=False)
        self.key = Linear(hidden_size, num_heads * key_size, bias=False)
        self.value = Linear(hidden_size, num_heads * value_size, bias=False)

    def carry_spec(self) -> CarrySpec:
        """State `matrix`, [B, num_heads, key_size, value_size], zero at first."""
        return {"matrix": Leaf((self.num_heads, self.key_size, self.value_size))}

    def heads(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project rows [*, hidden_size] to q [*, H, K], k [*, H, K] and v [*, H, V]."""
        q, k, v = (to_heads(part(u), self.num_heads) for part in (self.query, self.key, self.value))
        return (q.relu(), k.relu(), v) if self.feature_map == "relu" else (q, k, v)


class GatedRead(nn.Module):
    """W_o (RMSNorm(read) ⊙ SiLU(W_g x)), where every head is normalised by itself.

    Args:
        hidden_size: Width of x and of the output.
        num_heads: H.
        value_size: V.
        gate: Gate it; else W_o RMSNorm(read). Default: True.
        norm: Normalise what was read. Default: True.
    """

    def __init__(
        self, hidden_size: int, num_heads: int, value_size: int, gate: bool = True, norm: bool = True
    ) -> None:
        super().__init__()
        width = num_heads * value_size
        self.norm = nn.RMSNorm(value_size, eps=1e-5) if norm else nn.Identity()
        self.gate = Linear(hidden_size, width, bias=False) if gate else None
        self.output = Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        """Put out what was read, [*, H, V], for the rows x [*, hidden_size]; returns [*, hidden_size]."""
        normal = self.norm(read.to(x.dtype)).flatten(-2)
        return self.output(normal if self.gate is None else normal * silu(self.gate(x)))
