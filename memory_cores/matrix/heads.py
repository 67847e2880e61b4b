"""What the layers of matrix memories share: projections to heads, and a norm and a gate behind what is read."""

from torch import Tensor, nn
from torch.nn.functional import silu


def to_heads(x: Tensor, num_heads: int) -> Tensor:
    """Turn [..., H * n] into [..., H, n]."""
    return x.unflatten(-1, (num_heads, -1))


class GatedRead(nn.Module):
    """W_o (RMSNorm(read) ⊙ SiLU(W_g x)), where every head is normalised by itself.

    Args:
        hidden_size: Width of x and of the output.
        num_heads: H.
        value_size: V.
        gate: Gate it; else W_o RMSNorm(read). Default: True.
    """

    def __init__(self, hidden_size: int, num_heads: int, value_size: int, gate: bool = True) -> None:
        super().__init__()
        width = num_heads * value_size
        self.norm = nn.RMSNorm(value_size, eps=1e-5)
        self.gate = nn.Linear(hidden_size, width, bias=False) if gate else None
        self.output = nn.Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        """Put out what was read, [*, H, V], for the rows x [*, hidden_size]; returns [*, hidden_size]."""
        normal = self.norm(read.to(x.dtype)).flatten(-2)
        return self.output(normal if self.gate is None else normal * silu(self.gate(x)))
