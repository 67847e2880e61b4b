"""How the parameters of a world-model agent move: Adam by groups, Muon with it, or LaProp with adaptive clipping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engram.agents.optim.laprop import LaProp
from engram.agents.optim.muon import MuonWithAdam
from engram.agents.optim.optimizer_state import load_optimizer_state, optimizer_form, optimizer_state
from engram.agents.world_model.behavior import Behavior
from engram.agents.world_model.settings import DreamerSettings
from engram.agents.world_model.world_model import WorldModel

Group = dict[str, Any]


def parameter_groups(world_model: WorldModel, behavior: Behavior, settings: DreamerSettings) -> list[Group]:
    """Part the parameters by what is to happen to them.

    Args:
        world_model: its core is a group of its own, without weight decay; of the rest only matrices decay.
        behavior: actor and critic.
        settings: learning rates and clips.

    Returns:
        Optimiser groups with `name` and `clip_name` (groups of one `clip_name` share a norm) beside Adam's own keys.
    """
    core = list(world_model.dynamics.core.parameters())
    in_core = {id(parameter) for parameter in core}
    others = [parameter for parameter in world_model.parameters() if id(parameter) not in in_core]
    model = {"lr": settings.learning_rate, "eps": 1e-8}
    behaves = {"eps": 1e-5, "weight_decay": 0.0}
    core_rate = settings.learning_rate if settings.core_learning_rate is None else settings.core_learning_rate
    groups: list[Group] = [
        {
            "name": "matrices",
            "clip_name": "model",
            "params": [p for p in others if p.ndim >= 2],
            "weight_decay": settings.weight_decay,
            **model,
        },
        {
            "name": "vectors",
            "clip_name": "model",
            "params": [p for p in others if p.ndim < 2],
            "weight_decay": 0.0,
            **model,
        },
        {"name": "core", "clip_name": "core", "params": core, "weight_decay": 0.0, **model, "lr": core_rate},
        {
            "name": "actor",
            "clip_name": "actor",
            "params": list(behavior.actor.parameters()),
            "lr": settings.actor_learning_rate,
            **behaves,
        },
        {
            "name": "critic",
            "clip_name": "critic",
            "params": list(behavior.critic.parameters()),
            "lr": settings.critic_learning_rate,
            **behaves,
        },
    ]
    return [group for group in groups if group["params"]]


class Optimizers:
    """One optimiser over all groups, with its clipping and its warm-up.

    Args:
        world_model: to be trained.
        behavior: to be trained.
        settings: which optimiser, its rates and clips.
    """

    def __init__(self, world_model: WorldModel, behavior: Behavior, settings: DreamerSettings) -> None:
        self.settings = settings
        groups = parameter_groups(world_model, behavior, settings)
        self.clips = {
            "model": settings.max_grad_norm,
            "core": settings.max_grad_norm,
            "actor": settings.actor_max_grad_norm,
            "critic": settings.critic_max_grad_norm,
        }
        self.optimizer: torch.optim.Optimizer
        if settings.optimizer == "adam":
            self.optimizer = torch.optim.AdamW(groups, fused=True)
        elif settings.optimizer == "muon":
            self.optimizer = MuonWithAdam(groups)
        else:
            same = [{**group, "lr": settings.learning_rate} for group in groups]
            self.optimizer = LaProp(same, clip=settings.adaptive_clip or float("inf"))
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    def clip(self) -> dict[str, Tensor]:
        """Clip the gradients (LaProp clips by itself); returns their norms before, `optim/<group>_gradient_norm`."""
        norms = {}
        for name, limit in self.clips.items():
            parameters = [
                parameter
                for group in self.optimizer.param_groups
                if group["clip_name"] == name
                for parameter in group["params"]
            ]
            if parameters:
                limit = limit if self.settings.optimizer != "laprop" else None
                norms[f"optim/{name}_gradient_norm"] = _clip_norm(parameters, limit or float("inf"))
        return norms

    def step(self, num_updates: int) -> None:
        """Move the parameters; `num_updates` came before."""
        warmup = self.settings.warmup_updates
        share = min(1.0, (num_updates + 1) / warmup) if warmup else 1.0
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        self.optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """The moments of every parameter, by its number."""
        return optimizer_state(self.optimizer)

    def state_form(self) -> dict[str, Any]:
        """The form of these, see `engram.common.state_form`."""
        if self.settings.optimizer == "laprop":
            return optimizer_form(self.optimizer, ("mean_square", "momentum"))
        return optimizer_form(self.optimizer)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        load_optimizer_state(self.optimizer, state)


def _clip_norm(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    return torch.nn.utils.clip_grad_norm_(parameters, limit)
