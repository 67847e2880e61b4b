"""The state-space model of S5: modes of a HiPPO matrix, each with a time step of its own."""

import math

import torch
from torch import Tensor, nn

from engram.memory_cores.carry import Leaf
from engram.memory_cores.state_space.diagonal_ssm import DiagonalSSM
from engram.memory_cores.state_space.discretization import Discretization, Rule, unit_deviation
from engram.memory_cores.state_space.hippo import hippo_blocks
from engram.memory_cores.state_space.transition import Modes


class S5SSM(DiagonalSSM):
    """A diagonal state-space model with Ā and scale from Λ and Δ by `discretize`.

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
        state_scale: Draw B so that inputs of unit variance give every mode about this deviation. None leaves B as
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
        eigenvalues, vectors = hippo_blocks(state_size, blocks, conj_sym)
        b = lecun_normal(state_size, hidden_size, fan_in=hidden_size)
        c = torch.complex(*(lecun_normal(hidden_size, state_size, fan_in=state_size) for _ in range(2)))
        super().__init__(vectors.mH @ b.to(vectors.dtype), c @ vectors, conj_sym)
        self.rule = Rule(discretization, max_decay=-1e-4 if clip_eigenvalues else None)
        dtype = self.skip.dtype
        self.eigenvalue_real = nn.Parameter(eigenvalues.real.to(dtype))
        self.eigenvalue_imag = nn.Parameter(eigenvalues.imag.to(dtype))
        log_range = math.log(dt_min), math.log(dt_max)
        self.log_time_step = nn.Parameter(torch.empty(self.num_modes).uniform_(*log_range))
        zeros = torch.zeros(2 * self.num_modes)
        self.initial_parts = nn.Parameter(zeros) if learned_initial else None
        if state_scale is not None:
            with torch.no_grad():
                factor = (state_scale * unit_deviation(*self.modes().transition())).to(dtype)
                self.input_matrix.mul_(factor.repeat_interleave(2).unsqueeze(-1))

    def leaf(self) -> Leaf:
        """State the modes, complex [P]: zero at first, or what was learned."""
        if self.initial_parts is None:
            return super().leaf()
        # There are no complex numbers of half precision worth the name: below float32 states are complex64.
        dtype = torch.promote_types(self.skip.dtype, torch.float32)
        initial = torch.view_as_complex(self.initial_parts.to(dtype).unflatten(0, (self.num_modes, 2)))
        return super().leaf()._replace(initial=initial)

    def modes(self) -> Modes:
        """State Λ and the logarithm of Δ, [P]."""
        return Modes(self.rule, self.eigenvalue_real, self.eigenvalue_imag, self.log_time_step)


def lecun_normal(rows: int, columns: int, fan_in: int) -> Tensor:
    """Draw a float64 matrix from a normal of variance 1 / fan_in, cut at two deviations."""
    # 0.8796 is the deviation of a standard normal cut at ±2.
    std = fan_in**-0.5 / 0.87962566
    return nn.init.trunc_normal_(
        torch.empty(rows, columns, dtype=torch.float64), std=std, a=-2 * std, b=2 * std
    )
