"""Muon for matrices and Adam for the rest, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


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
            self._parts.append(torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw"))
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
