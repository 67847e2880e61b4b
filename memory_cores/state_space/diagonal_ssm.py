"""Diagonal state-space models whose modes read all channels and are read by all: those of S5 and LRU."""

import torch
from torch import Tensor, nn

from engram.common.dense import linear
from engram.common.tracing import is_traced
from engram.memory_cores.carry import Leaf
from engram.memory_cores.scan_core import Scan
from engram.memory_cores.state_space.layer import StateSpaceModel


class DiagonalSSM(StateSpaceModel):
    """h[t] = Ā ⊙ h[t−1] + scale ⊙ B u[t], y[t] = κ Re(C h[t]) + D ⊙ u[t]; κ is 2 with conjugate symmetry, else 1.

    A subclass states its modes, of which Ā and the scale are made. Complex parameters are stored as real ones, so that
    an optimizer treats the parts separately and a cast of the module keeps them. B and C are stored with real and
    imaginary rows (columns) side by side, so that B u and Re(C h) are one real matrix product each; C is stored
    conjugated. D begins as white noise.

    Args:
        input_matrix: B at first, complex [P, hidden_size].
        output_matrix: C at first, complex [hidden_size, P].
        conj_sym: The modes are one of each conjugate pair.
    """

    def __init__(self, input_matrix: Tensor, output_matrix: Tensor, conj_sym: bool) -> None:
        super().__init__()
        self.num_modes, hidden_size = input_matrix.shape
        self.conj_sym = conj_sym
        dtype = torch.get_default_dtype()
        self.input_matrix = nn.Parameter(interleave(input_matrix.mT).mT.contiguous().to(dtype))  # [2P, H]
        self.output_matrix = nn.Parameter(interleave(output_matrix.conj()).to(dtype))  # [H, 2P]
        self.skip = nn.Parameter(torch.randn(hidden_size))

    def leaf(self) -> Leaf:
        """State the modes, complex [P], zero at first."""
        return Leaf((self.num_modes,), "complex")

    def forward(self, u: Tensor, coefficients: tuple[Tensor, Tensor], scan: Scan) -> Tensor:
        """Run rows [*, hidden_size]; see `StateSpaceModel.forward`."""
        transition, scale = coefficients
        return self.read(u, scan(transition, self.drive(u, scale), self.read_states))

    def drive(self, u: Tensor, scale: Tensor) -> Tensor:
        """Compute scale ⊙ B u, complex [*, P]."""
        real = linear(u, self.input_matrix).to(scale.real.dtype)
        return scale * torch.view_as_complex(real.unflatten(-1, (self.num_modes, 2)))

    def read(self, u: Tensor, state: Tensor) -> Tensor:
        """Compute κ Re(C h) + D ⊙ u, [*, hidden_size]."""
        if is_traced():  # torch 2.13's compiler makes one product of what follows and loses alpha
            return self.skip * u + self.read_states(state)
        return torch.add(self.skip * u, self._read(state), alpha=2 if self.conj_sym else 1)

    def read_states(self, state: Tensor) -> Tensor:
        """Compute κ Re(C h), [*, hidden_size]."""
        return self._read(state) * (2 if self.conj_sym else 1)

    def _read(self, state: Tensor) -> Tensor:
        real = torch.view_as_real(state).flatten(-2).to(self.output_matrix.dtype)
        return linear(real, self.output_matrix)


def interleave(matrix: Tensor) -> Tensor:
    """Put real and imaginary parts of complex columns side by side, [n, m] -> [n, 2m]."""
    return torch.view_as_real(matrix.resolve_conj()).flatten(-2)
