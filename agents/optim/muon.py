"""Muon for matrices and Adam for the rest, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            if matrices:
                self._move(matrices, group)
        return loss

    def _move(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        updates = self._directions(matrices, group)
        updates = orthogonalize_all(updates, group["ns_coefficients"], group["ns_steps"], group["eps"])
        lr = group["lr"]  # a number, or a tensor where the step is recorded
        torch._foreach_mul_(matrices, 1 - lr * group["weight_decay"])
        # An orthogonal matrix has a root mean square of 1 / sqrt(its longer side), and a step of Adam one of about 0.2.
        roots = [max(matrix.shape) ** 0.5 for matrix in matrices]
        if matrices[0].device.type == "cpu" and not isinstance(lr, Tensor):
            for matrix, update, root in zip(matrices, updates, roots, strict=True):
                matrix.add_(update, alpha=-0.2 * lr * root)
            return
        moves = torch._foreach_mul(updates, roots)
        torch._foreach_mul_(moves, -0.2 * lr)
        torch._foreach_add_(matrices, moves)

    def _directions(self, matrices: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Take gradients into the momenta; returns what is to be made orthogonal."""
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        averages = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        momentum = group["momentum"]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        return list(torch._foreach_lerp(gradients, averages, momentum)) if group["nesterov"] else averages


def orthogonalize_all(
    matrices: Sequence[Tensor], coefficients: tuple[float, float, float], num_steps: int, eps: float
) -> list[Tensor]:
    """Do what `orthogonalize` does to each of several matrices: on a device to all of one shape at once.

    Args:
        matrices: [rows, columns] each.
        coefficients: as in `orthogonalize`.
        num_steps: as in `orthogonalize`.
        eps: as in `orthogonalize`.

    Returns:
        What becomes of each, in their order; on a device of their dtype.
    """
    if matrices[0].device.type == "cpu":
        return [orthogonalize(matrix, coefficients, num_steps, eps) for matrix in matrices]
    places: dict[torch.Size, list[int]] = {}
    for place, matrix in enumerate(matrices):
        places.setdefault(matrix.shape, []).append(place)
    found: dict[int, Tensor] = {}
    for shape, own in places.items():
        batch = orthogonalize(torch.stack([matrices[place] for place in own]), coefficients, num_steps, eps)
        # Of the matrices' dtype and order, as lists of tensors must be for one kernel to take them.
        moves = torch.empty((len(own), *shape), dtype=matrices[0].dtype, device=batch.device).copy_(batch)
        found.update(zip(own, moves.unbind(), strict=True))
    return [found[place] for place in range(len(matrices))]


def orthogonalize(
    matrix: Tensor, coefficients: tuple[float, float, float], num_steps: int, eps: float
) -> Tensor:
    """Bring the singular values of a matrix near 1 by Newton-Schulz steps.

    Args:
        matrix: [rows, columns], or a batch [N, rows, columns] of them.
        coefficients: (a, b, c) of the step s -> a s + b s³ + c s⁵, which each singular value s takes.
        num_steps: so many; five bring all but the smallest to between 0.7 and 1.2.
        eps: the least Frobenius norm that `matrix` is divided by before.

    Returns:
        Of the same shape, bfloat16 on CUDA and float32 elsewhere.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = coefficients
    add_product = torch.addmm if matrix.ndim == 2 else torch.baddbmm
    x = matrix.to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    x = x / (x.norm() if x.ndim == 2 else x.norm(dim=(-2, -1), keepdim=True)).clamp(min=eps)
    for _ in range(num_steps):
        squares = x @ x.mT
        x = add_product(x, add_product(squares, squares, squares, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


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
