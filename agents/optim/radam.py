"""RAdam whose steps on a CPU take one pass over the parameters, as the library's fused Adam does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch


class RAdam(torch.optim.RAdam):
    """The library's RAdam, with its state and its arguments; as fast as fused Adam on a CPU.

    From the step on where its rectification r is defined, RAdam is Adam with r times the rate, and with an epsilon that
    the bias correction of the squares divides. Steps before it, and those on a device, are the library's.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020, algorithm 2.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient; see `torch.optim.Optimizer.step`."""
        if closure is not None or not all(self._is_plain(group) for group in self.param_groups):
            return super().step(closure)
        for group in self.param_groups:
            self._step_group(group)
        return None

    def _is_plain(self, group: dict[str, Any]) -> bool:
        """Tell whether one fused step is right for a group: all on a CPU, equally far, and past the first steps."""
        moved = [one for one in group["params"] if one.grad is not None]
        if group["weight_decay"] or group["maximize"] or group["capturable"]:
            return False
        if not all(one.device.type == "cpu" and not one.is_complex() for one in moved):
            return False  # before the steps are read: those on a device would be waited for
        steps = {float(self.state[one]["step"]) if one in self.state else 0.0 for one in moved}
        return len(steps) == 1 and rectification(steps.pop() + 1, group["betas"][1]) is not None

    def _step_group(self, group: dict[str, Any]) -> None:
        moved = [one for one in group["params"] if one.grad is not None]
        beta1, beta2 = group["betas"]
        steps = [self.state[one]["step"] for one in moved]
        torch._foreach_add_(steps, 1.0)
        time = float(steps[0])
        rate = rectification(time, beta2)
        assert rate is not None
        torch._fused_adam_(
            moved,
            [one.grad for one in moved],
            [self.state[one]["exp_avg"] for one in moved],
            [self.state[one]["exp_avg_sq"] for one in moved],
            [],
            steps,
            amsgrad=False,
            lr=float(group["lr"]) * rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=group["eps"] / math.sqrt(1 - beta2**time),
            maximize=False,
        )


def rectification(step: float, beta2: float) -> float | None:
    """Compute RAdam's factor r of the rate at a step, counted from 1; None where the variance is not defined yet."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    if length <= 5:
        return None
    squared = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return math.sqrt(squared)
