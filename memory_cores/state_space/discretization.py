"""From a differential equation to a recurrence over rows."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Discretization = Literal["zoh", "bilinear"]


class Rule(NamedTuple):
    """How Ā and the scale are made of three real parameters: a decay, a frequency and a logarithm.

    Attributes:
        method: "zoh" and "bilinear" discretise Λ with the time step exp(logarithm), see `discretize`. "exponential":
            Ā = exp(−exp(decay) + i exp(frequency)) and the scale is exp(logarithm).
        log_decay: Λ = −exp(decay) + i frequency, else decay + i frequency.
        max_decay: What the decay is held below, where it is none of a logarithm; None is no bound.
    """

    method: Literal["zoh", "bilinear", "exponential"]
    log_decay: bool = False
    max_decay: float | None = None


def discretize(eigenvalues: Tensor, time_step: Tensor, method: Discretization) -> tuple[Tensor, Tensor]:
    """Turn dh/dt = Λ h + B u into h[t] = Ā h[t−1] + scale · B u[t].

    zoh: Ā = exp(ΛΔ), scale = (Ā − 1) / Λ. bilinear: Ā = (1 + ΛΔ/2) / (1 − ΛΔ/2), scale = Δ / (1 − ΛΔ/2).

    Args:
        eigenvalues: Λ, complex [*], not zero for zoh.
        time_step: Δ, real, broadcastable to [*].
        method: "zoh" or "bilinear".

    Returns:
        Ā and scale, complex [*] each.

    Source: Smith et al., "Simplified state space layers for sequence modeling", 2023, section 2.1.
    """
    if method == "zoh":
        # expm1 keeps the digits which exp(ΛΔ) − 1 would lose at a small time step.
        growth = torch.expm1(eigenvalues * time_step)
        return growth + 1, growth / eigenvalues
    half = eigenvalues * (time_step / 2)
    return (1 + half) / (1 - half), time_step / (1 - half)


def unit_deviation(transition: Tensor, scale: Tensor) -> Tensor:
    """Return what to multiply a mode by, so that inputs of unit variance give it a deviation of one; real [*].

    The variance that white noise gives it is |scale|² / (1 − |Ā|²).
    """
    return (1 - transition.abs().square()).sqrt() / scale.abs()
