"""Muon for matrices and Adam for the rest, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """The library's Muon, but in float32 on a CPU: it orthogonalises in bfloat16, which few of them compute fast.

    Steps are as large as Adam's (`adjust_lr_fn="match_rms_adamw"`). Arguments and state are the library's.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all matrices that have a gradient; a closure is called before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, matrix.grad, group)
        return loss

    def _move(self, matrix: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, momentum, lr = self.state[matrix], group["momentum"], group["lr"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = gradient.lerp(average, momentum) if group["nesterov"] else average
        update = orthogonalize(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        matrix.mul_(1 - lr * group["weight_decay"])
        # An orthogonal matrix has a root mean square of 1 / sqrt(its longer side), and a step of Adam one of about 0.2.
        length = -0.2 * lr * max(matrix.shape) ** 0.5
        if isinstance(length, Tensor):  # the rate of a recorded step
            matrix.addcmul_(update.to(matrix.dtype), length)
        else:
            matrix.add_(update, alpha=length)


def orthogonalize(
    matrix: Tensor, coefficients: tuple[float, float, float], num_steps: int, eps: float
) -> Tensor:
    """Bring the singular values of a matrix near 1 by Newton-Schulz steps.

    Args:
        matrix: [rows, columns].
        coefficients: (a, b, c) of the step s -> a s + b s³ + c s⁵, which each singular value s takes.
        num_steps: so many; five bring all but the smallest to between 0.7 and 1.2.
        eps: the least Frobenius norm that `matrix` is divided by before.

    Returns:
        [rows, columns], bfloat16 on CUDA and float32 elsewhere.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = coefficients
    x = matrix.to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(num_steps):
        squares = x @ x.T
        x = torch.addmm(x, torch.addmm(squares, squares, squares, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


class MuonWithAdam(torch.optim.Optimizer):
    """Move matrices of at least two rows and columns by Muon and all other parameters by AdamW.

    Muon makes the singular values of a step alike, so that weights for directions of little variance move as far as
    others. What a memory holds of a single row long ago is such a direction among the features that a head reads.
    Its steps are scaled to be as large as Adam's, so that both take the same learning rates.

    Args:
        groups: parameters, or groups of them, whose keys are AdamW's.
        lr: learning rate of groups without one.
        eps: AdamW's, of groups without one.
        weight_decay: decoupled, of groups without one.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the scale of steps: Liu
    et al., "Muon is scalable for LLM training", 2025, equation 4.
    """

    def __init__(
        self, groups: Iterable[Any], lr: float = 1e-3, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        given = list(groups)
        given = given if given and isinstance(given[0], dict) else [{"params": given}]
        given = [{"lr": lr, "eps": eps, "weight_decay": weight_decay, **group} for group in given]
        others, matrices = split_matrices(given)
        self._parts: list[torch.optim.Optimizer] = []
        if others:
            self._parts.append(torch.optim.AdamW(others, fused=True))
        if matrices:
            self._parts.append(Muon(matrices))
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient; a closure is called before."""
        loss = None if closure is None else closure()
        for part in self._parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let the parts work on this optimiser's groups and moments."""
        begin = 0
        for part in self._parts:
            end = begin + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[begin:end], self.state
            begin = end


def split_matrices(groups: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Part each group by whether its parameters are for Adam or, being matrices, for Muon.

    Args:
        groups: with `params`.

    Returns:
        The groups for Adam and those for Muon, each with the other keys it had; empty ones are left out.
    """
    others, matrices = [], []
    for group in groups:
        parameters = list(group["params"])
        rest = [parameter for parameter in parameters if not _is_matrix(parameter)]
        wide = [parameter for parameter in parameters if _is_matrix(parameter)]
        if rest:
            others.append({**group, "params": rest})
        if wide:
            # `eps` is Adam's; Muon has another.
            keys = {key: value for key, value in group.items() if key != "eps"}
            matrices.append({**keys, "params": wide})
    return others, matrices


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim == 2 and min(parameter.shape) > 1
