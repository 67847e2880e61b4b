"""An optimiser's moments by the number of their parameter: stored, put back, and what they must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engram.agents.optim.laprop import LaProp
from engram.agents.optim.muon import MuonWithAdam
from engram.agents.optim.radam import RAdam
from engram.common.state_form import Anything, Maybe, Numbers

# What optimisers keep of every parameter beside the number of steps, by their classes; of others nothing is known.
_MOMENTS = {
    LaProp: ("mean_square", "momentum"),
    **dict.fromkeys((torch.optim.Adam, torch.optim.AdamW, RAdam, MuonWithAdam), ("exp_avg", "exp_avg_sq")),
}
# Means of squares: nothing below 0.
_SQUARES = ("exp_avg_sq", "mean_square")


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """The moments of every parameter that has moved, by its number."""
    return {str(index): dict(values) for index, values in optimizer.state_dict()["state"].items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Continue from what `optimizer_state` gave; learning rates stay what they are."""
    whole = optimizer.state_dict()
    # Copies, because the optimiser would go on to write into the tensors it is given.
    whole["state"] = {
        int(index): {name: value.clone() for name, value in values.items()} for index, values in state.items()
    }
    optimizer.load_state_dict(whole)


def optimizer_form(optimizer: torch.optim.Optimizer) -> Any:
    """The form of its state (see `engram.common.state_form`); a parameter without a gradient so far has none.

    Groups that Muon moves have a momentum alone. The state of an optimiser that is not known may be anything.
    """
    moments = _MOMENTS.get(type(optimizer))
    if moments is None:
        return Anything()
    forms: dict[str, Any] = {}
    for group in optimizer.param_groups:
        is_muon = "ns_steps" in group
        for parameter in group["params"]:
            names = ("momentum_buffer",) if is_muon else moments
            form = {name: _moment(name, parameter) for name in names}
            if not is_muon:
                form["step"] = Numbers((), torch.float32, low=0)
            forms[str(len(forms))] = Maybe(form)
    return forms


def _moment(name: str, parameter: Tensor) -> Numbers:
    return Numbers(tuple(parameter.shape), parameter.dtype, low=0 if name in _SQUARES else None)
