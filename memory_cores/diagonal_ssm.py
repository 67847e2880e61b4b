"""A diagonal state-space model: the linear part of S5, by rows and by sequences."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from engram.memory_cores.hippo import hippo_blocks

Discretization = Literal["zoh", "bilinear"]


class DiagonalSSM(nn.Module):
    """h[t] = Ā h[t−1] + B̄ u[t], y[t] = κ Re(C̃ h[t]) + D ⊙ u[t]; κ is 2 with conjugate symmetry, else 1.

    Complex parameters are stored as real ones, so that an optimizer treats the parts separately and a
    cast of the module keeps them. B̃ and C̃ are stored with real and imaginary rows (columns) side by
    side, so that B̃ u and Re(C̃ h) are one real matrix product each; C̃ is stored conjugated.

    Args:
        hidden_size: Width of u and y.
        state_size: Number of modes, half of which are stored with `conj_sym`.
        blocks: HiPPO blocks the initial state matrix is made of.
        conj_sym: Store one of each conjugate pair.
        discretization: "zoh" or "bilinear".
        clip_eigenvalues: Hold the real parts below −1e−4.
        dt_min: Smallest initial time step.
        dt_max: Largest initial time step.
        learned_initial: Learn the state an episode begins with, from zero; else it is zero.
        state_scale: Draw B̃ so that inputs of unit variance give every mode about this deviation. None leaves B̃ as
            published: a mode answers a single row by about Δ, so that at first y hardly shows what was seen once.

    Source: Smith et al., "Simplified state space layers for sequence modeling", 2023, section 3; states of unit
    variance: Orvieto et al., "Resurrecting recurrent neural networks for long sequences", 2023, section 3.4.
    """

    def __init__(
        self,
        hidden_size: int,
        state_size: int,
        blocks: int,
        conj_sym: bool,
        discretization: Discretization,
        clip_eigenvalues: bool,
        dt_min: float,
        dt_max: float,
        learned_initial: bool = False,
        state_scale: float | None = None,
    ) -> None:
        super().__init__()
        eigenvalues, vectors = hippo_blocks(state_size, blocks, conj_sym)
        self.num_modes = len(eigenvalues)
        self.conj_sym = conj_sym
        self.discretization = discretization
        self.clip_eigenvalues = clip_eigenvalues
        dtype = torch.get_default_dtype()
        b = lecun_normal(state_size, hidden_size, fan_in=hidden_size)
        c = torch.complex(*(lecun_normal(hidden_size, state_size, fan_in=state_size) for _ in range(2)))
        b, c = vectors.mH @ b.to(vectors.dtype), c @ vectors  # [P, hidden_size], [hidden_size, P]
        self.eigenvalue_real = nn.Parameter(eigenvalues.real.to(dtype))
        self.eigenvalue_imag = nn.Parameter(eigenvalues.imag.to(dtype))
        self.input_matrix = nn.Parameter(interleave(b.mT).mT.contiguous().to(dtype))  # [2P, hidden_size]
        self.output_matrix = nn.Parameter(interleave(c.conj()).to(dtype))  # [hidden_size, 2P]
        self.skip = nn.Parameter(torch.randn(hidden_size))
        log_range = math.log(dt_min), math.log(dt_max)
        self.log_time_step = nn.Parameter(torch.empty(self.num_modes).uniform_(*log_range))
        zeros = torch.zeros(2 * self.num_modes)
        self.initial_parts = nn.Parameter(zeros) if learned_initial else None
        if state_scale is not None:
            self._scale_states(state_scale)

    @torch.no_grad()
    def _scale_states(self, deviation: float) -> None:
        """Scale the rows of B̃: the variance that white noise gives a mode is |scale B̃|² / (1 − |Ā|²)."""
        transition, scale = self._transition(torch.complex128)
        factor = deviation * (1 - transition.abs().square()).sqrt() / scale.abs()
        self.input_matrix.mul_(factor.to(self.input_matrix.dtype).repeat_interleave(2).unsqueeze(-1))

    def initial_state(self) -> Tensor:
        """Return the state an episode begins with as it was learned, complex [P]."""
        assert self.initial_parts is not None
        # There are no complex numbers of half precision worth the name: below float32 states are complex64.
        dtype = torch.promote_types(self.skip.dtype, torch.float32)
        return torch.view_as_complex(self.initial_parts.to(dtype).unflatten(0, (self.num_modes, 2)))

    def forward(self, u: Tensor, scan: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Run rows.

        Args:
            u: Inputs, [*, hidden_size].
            scan: Maps Ā, complex [P], and the inputs B̄ u, [*, P], to the states after every row, [*, P].

        Returns:
            Outputs, [*, hidden_size].
        """
        transition, scale = self._transition(torch.promote_types(self.skip.dtype, torch.complex64))
        return self._read(u, scan(transition, self._drive(u, scale)))

    def _transition(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return Ā and the factor that makes B̄ of B̃, [P] each of a complex dtype."""
        # In float64: an error of Ā is multiplied by the rows a mode remembers, thousands of them.
        real = self.eigenvalue_real.double()
        if self.clip_eigenvalues:
            real = real.clamp(max=-1e-4)
        eigenvalues = torch.complex(real, self.eigenvalue_imag.double())
        a, scale = discretize(eigenvalues, self.log_time_step.double().exp(), self.discretization)
        return a.to(dtype), scale.to(dtype)

    def _drive(self, u: Tensor, scale: Tensor) -> Tensor:
        real = linear(u, self.input_matrix).to(scale.real.dtype)
        return scale * torch.view_as_complex(real.unflatten(-1, (self.num_modes, 2)))

    def _read(self, u: Tensor, state: Tensor) -> Tensor:
        real = torch.view_as_real(state).flatten(-2).to(self.output_matrix.dtype)
        read = linear(real, self.output_matrix)
        return (2 * read if self.conj_sym else read) + self.skip * u


def interleave(matrix: Tensor) -> Tensor:
    """Put real and imaginary parts of complex columns side by side, [n, m] -> [n, 2m]."""
    return torch.view_as_real(matrix.resolve_conj()).flatten(-2)


def lecun_normal(rows: int, columns: int, fan_in: int) -> Tensor:
    """Draw a float64 matrix from a normal of variance 1 / fan_in, cut at two deviations."""
    # 0.8796 is the deviation of a standard normal cut at ±2.
    std = fan_in**-0.5 / 0.87962566
    return nn.init.trunc_normal_(
        torch.empty(rows, columns, dtype=torch.float64), std=std, a=-2 * std, b=2 * std
    )


def discretize(eigenvalues: Tensor, time_step: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Turn dh/dt = Λ h + B u into h[t] = Ā h[t−1] + scale · B u[t].

    zoh: Ā = exp(ΛΔ), scale = (Ā − 1) / Λ. bilinear: Ā = (1 + ΛΔ/2) / (1 − ΛΔ/2), scale = Δ / (1 − ΛΔ/2).

    Args:
        eigenvalues: Λ, complex [P], not zero for zoh.
        time_step: Δ, real [P].
        method: "zoh" or "bilinear".

    Returns:
        Ā and scale, complex [P] each.

    Source: Smith et al., "Simplified state space layers for sequence modeling", 2023, section 2.1.
    """
    if method == "zoh":
        # expm1 keeps the digits which exp(ΛΔ) − 1 would lose at a small time step.
        growth = torch.expm1(eigenvalues * time_step)
        return growth + 1, growth / eigenvalues
    half = eigenvalues * (time_step / 2)
    return (1 + half) / (1 - half), time_step / (1 - half)
