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

    A group may be made `capturable`, see `engram.agents.optim.groups.make_capturable`.

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
        super().__init__(parameters, {"lr": lr, "capturable": False})
        self.clip, self.betas, self.epsilon = clip, betas, eps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                self._step_group(parameters, group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            self._share_counters(group)

    def _share_counters(self, group: dict[str, Any]) -> None:
        """Let parameters that have moved equally often have one counter: on the device if steps are recorded.

        Elsewhere it lies in host memory, because the host would wait for it in every step.
        """
        counters: dict[float, Tensor] = {}
        for parameter in group["params"]:
            state = self.state.get(parameter, {})
            if state:
                device = parameter.device if group["capturable"] else torch.device("cpu")
                count = float(state["step"])
                state["step"] = counters.setdefault(count, torch.tensor(count, device=device))

    def _begin(self, parameters: list[Tensor], is_captured: bool) -> None:
        """Make the states of parameters that have none; they share a counter."""
        new = [parameter for parameter in parameters if not self.state[parameter]]
        if new:
            count = torch.zeros((), device=new[0].device if is_captured else None)
            for parameter in new:
                self.state[parameter] = {
                    "step": count,
                    "mean_square": torch.zeros_like(parameter),
                    "momentum": torch.zeros_like(parameter),
                }

    def _step_group(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        self._begin(parameters, group["capturable"])
        alike: dict[int, list[Tensor]] = {}
        for parameter in parameters:
            alike.setdefault(id(self.state[parameter]["step"]), []).append(parameter)
        for own in alike.values():
            self._move(own, group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move parameters that share a counter."""
        states = [self.state[parameter] for parameter in parameters]
        updates = self._clipped(parameters)
        mean_squares = [state["mean_square"] for state in states]
        momenta = [state["momentum"] for state in states]
        beta1, beta2 = self.betas
        torch._foreach_mul_(mean_squares, beta2)
        torch._foreach_addcmul_(mean_squares, updates, updates, 1 - beta2)
        count = _count(states, group["capturable"])
        roots = torch._foreach_div(mean_squares, _as_factor(1 - beta2**count))
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, self.epsilon)
        torch._foreach_div_(updates, roots)
        torch._foreach_lerp_(momenta, updates, 1 - beta1)
        moves = torch._foreach_mul(momenta, _as_factor(-group["lr"] / (1 - beta1**count)))
        torch._foreach_add_(parameters, moves)

    def _clipped(self, parameters: list[Tensor]) -> list[Tensor]:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        limits = torch._foreach_norm(parameters)
        torch._foreach_clamp_min_(limits, 1e-3)
        torch._foreach_mul_(limits, self.clip)
        excess = torch._foreach_div(torch._foreach_norm(gradients), limits)
        torch._foreach_clamp_min_(excess, 1.0)
        return list(torch._foreach_div(gradients, excess))


def _count(states: list[dict[str, Tensor]], is_captured: bool) -> Any:
    """Count a step in states that share a counter: in place on a device that reads it, else on the host."""
    if is_captured:
        return states[0]["step"].add_(1).double()
    counter = states[0]["step"] + 1  # a new one: who has no gradient this time keeps the other
    for state in states:
        state["step"] = counter
    return float(counter)


def _as_factor(value: Any) -> Any:
    """A number, or a tensor of one in the dtype that many tensors can be multiplied by at once."""
    return value.float() if isinstance(value, Tensor) else value
