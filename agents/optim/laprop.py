"""LaProp with adaptive gradient clipping, DreamerV3's optimiser since 2024."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LaProp(torch.optim.Optimizer):
    """Clip each tensor's gradient by its parameter's norm, divide by its root mean square, then take momentum.

    u = g min(1, clip max(1e-3, ‖p‖) / ‖g‖);  ν ← β₂ν + (1-β₂)u²;  m ← β₁m + (1-β₁) u / (√ν̂ + ε);  p ← p - lr m̂,
    where ν̂ and m̂ are corrected for having begun at 0.

    Args:
        parameters: parameters or groups of them.
        lr: learning rate.
        clip: largest ratio of the gradient's norm to the parameter's.
        betas: β₁ of the momentum, β₂ of the mean square.
        eps: ε.

    Source: Ziyin et al. 2020 (LaProp); Brock et al. 2021 (adaptive clipping); constants of DreamerV3.
    """

    def __init__(
        self,
        parameters: Any,
        lr: float = 4e-5,
        clip: float = 0.3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-20,
    ) -> None:
        super().__init__(parameters, {"lr": lr})
        self.clip, self.betas, self.epsilon = clip, betas, eps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                self._step_group(parameters, group["lr"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state_dict)
        # A checkpoint is read to the parameters' device, and the host would wait for every counter that lies there.
        for state in self.state.values():
            state["step"] = state["step"].cpu()

    def _step_group(self, parameters: list[Tensor], learning_rate: float) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    "mean_square": torch.zeros_like(parameter),
                    "momentum": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        updates = self._clipped(parameters)
        mean_squares = [state["mean_square"] for state in states]
        momenta = [state["momentum"] for state in states]
        beta1, beta2 = self.betas
        torch._foreach_mul_(mean_squares, beta2)
        torch._foreach_addcmul_(mean_squares, updates, updates, 1 - beta2)
        for state in states:
            state["step"] += 1
        counts = [float(state["step"]) for state in states]
        roots = torch._foreach_div(mean_squares, [1 - beta2**count for count in counts])
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, self.epsilon)
        torch._foreach_div_(updates, roots)
        torch._foreach_lerp_(momenta, updates, 1 - beta1)
        moves = torch._foreach_mul(momenta, [-learning_rate / (1 - beta1**count) for count in counts])
        torch._foreach_add_(parameters, moves)

    def _clipped(self, parameters: list[Tensor]) -> list[Tensor]:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        limits = torch._foreach_norm(parameters)
        torch._foreach_clamp_min_(limits, 1e-3)
        torch._foreach_mul_(limits, self.clip)
        excess = torch._foreach_div(torch._foreach_norm(gradients), limits)
        torch._foreach_clamp_min_(excess, 1.0)
        return list(torch._foreach_div(gradients, excess))
