"""Fast and Forgetful Memory: decaying, rotating traces of gated inputs."""

import math
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from engram.common.checked import require
from engram.common.dense import Linear, linear
from engram.common.option_types import Positive, Real, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf, state_dtype
from engram.memory_cores.scan_core import ScanCore, ScanMemory

MARGIN = 0.01
SLOWEST_DECAY = -1e-8


class FFM(ScanCore):
    """One layer of Fast and Forgetful Memory.

    With decay rates a < 0 (one per row of the trace) and phases ω (one per column), Γ = exp(a ⊕ iω):
    S' = Γ ⊙ S + (x̃ ⊙ σ(gate_in)) 1ᵀ, z = W [Re S' ‖ Im S'] + b, y = LN(z) ⊙ g + skip ⊙ (1 − g),
    g = σ(gate_out), where one linear layer gives x̃, skip and both gates; LN has no parameters and comes
    before the gate, as in the paper. The trace is computed by a scan and not by the published cumulative
    sum, which needs float64; decay rates are clamped alike by rows and by sequences.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the output. Default: 256.
        memory_size: Rows of the trace, m. Default: 32.
        context_size: Complex columns of the trace, c, as they are stored (publications that report 8
            halve it to 4). Default: 4.
        min_period: Shortest initial period of a column, in rows. Default: 1.
        max_period: Longest initial period; the slowest row of the trace decays to `forgotten_at` in that
            time. Default: 1024.
        max_length: Bounds the fastest decay, |a| <= ln(1.8e308) / max_length − 0.01. Default: 1024.
        forgotten_at: What counts as forgotten. Default: 0.01.
        learn_decay: Train the decay rates. Default: True.
        learn_phase: Train the phases. Default: True.

    Source: Morad et al., "Reinforcement learning with fast and forgetful memory", 2023.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I (m + H) + m c H), m by c trace",
        training_cost="O(T (I (m + H) + m c H)); only O(T m c) elementwise work goes row by row",
        memory_length="set by `max_period`: its slowest trace is then forgotten, unless rates learn otherwise",
        choose_when=(
            "It must be small and fast, and how far back counts is known. Not where what is kept must depend on later "
            "inputs: traces decay alike whatever comes."
        ),
        shown_by="popgym/repeat_previous_easy",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        memory_size: Size = 32,
        context_size: Size = 4,
        min_period: Positive = 1.0,
        max_period: Positive = 1024.0,
        max_length: Size = 1024,
        forgotten_at: Annotated[float, Real(above=0, below=1)] = 0.01,
        learn_decay: bool = True,
        learn_phase: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        require(
            min_period <= max_period, "min_period", f"at most max_period ({max_period:g})", min_period, self
        )
        self.memory_size, self.context_size = memory_size, context_size
        self.project = Linear(input_size, 2 * memory_size + 2 * hidden_size)
        self.readout = Linear(2 * memory_size * context_size, hidden_size)
        self.limit = decay_limit(max_length)
        fastest, slowest = decay_range(self.limit, max_period, forgotten_at)
        periods = torch.linspace(min_period, max_period, context_size, dtype=torch.float64)
        dtype = self.readout.weight.dtype
        decay = torch.linspace(fastest, slowest, memory_size, dtype=torch.float64).to(dtype)
        self.decay = nn.Parameter(decay, requires_grad=learn_decay)
        self.phase = nn.Parameter((2 * math.pi / periods).to(dtype), requires_grad=learn_phase)

    def carry_spec(self) -> CarrySpec:
        """State `trace`, complex [B, memory_size, context_size], zero at first."""
        return {"trace": Leaf((self.memory_size, self.context_size), "complex")}

    def equations(self, x: Tensor, memory: ScanMemory) -> Tensor:
        """Write to the traces, and read them behind the gate; see the class."""
        sizes = (self.memory_size, self.memory_size, self.output_size, self.output_size)
        value, gate_in, gate_out, skip = self.project(x).split(sizes, dim=-1)
        written = (value * gate_in.sigmoid()).unsqueeze(-1)
        trace = memory.scan("trace", self._transition(), written, self.read_trace)
        z, gate = self.readout(self._numbers(trace)), gate_out.sigmoid()
        return layer_norm(z, z.shape[-1:]) * gate + skip * (1 - gate)

    def read_trace(self, trace: Tensor) -> Tensor:
        """Compute W [Re S ‖ Im S], [*, hidden_size]: z but for its bias."""
        return linear(self._numbers(trace), self.readout.weight)

    def _numbers(self, trace: Tensor) -> Tensor:
        parts = torch.cat([trace.real.flatten(-2), trace.imag.flatten(-2)], dim=-1)
        return parts.to(self.readout.weight.dtype)

    def _transition(self) -> Tensor:
        """Return Γ, complex [memory_size, context_size]."""
        dtype = state_dtype(self.decay.dtype)
        decay = self.decay.to(dtype).clamp(-self.limit, SLOWEST_DECAY)
        phase = self.phase.to(dtype)
        return torch.complex(*torch.broadcast_tensors(decay.unsqueeze(-1), phase)).exp()


def decay_limit(max_length: int) -> float:
    """Return the largest |a| with exp(|a| · max_length) finite in float64, less a margin."""
    return math.log(torch.finfo(torch.float64).max) / max_length - MARGIN


def decay_range(limit: float, max_period: float, forgotten_at: float) -> tuple[float, float]:
    """Return the fastest and the slowest initial decay rate, both negative."""
    fastest = -limit + MARGIN
    return fastest, max(min(-1e-6, math.log(forgotten_at) / max_period), fastest)
