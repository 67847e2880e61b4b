"""How the parameters of a world-model agent move: Adam by groups, Muon with it, or LaProp with adaptive clipping."""

from __future__ import annotations

from typing import Any

import torch

from engram.agents.optim.laprop import LaProp
from engram.agents.optim.muon import MuonWithAdam
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
        Optimiser groups with `name`, `clip_name` and `max_norm` (see `engram.agents.optim.groups`) beside Adam's own
        keys.
    """
    core = list(world_model.dynamics.core.parameters())
    in_core = {id(parameter) for parameter in core}
    others = [parameter for parameter in world_model.parameters() if id(parameter) not in in_core]
    model = {"lr": settings.learning_rate, "eps": 1e-8, "max_norm": settings.max_grad_norm}
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
            "max_norm": settings.actor_max_grad_norm,
            **behaves,
        },
        {
            "name": "critic",
            "clip_name": "critic",
            "params": list(behavior.critic.parameters()),
            "lr": settings.critic_learning_rate,
            "max_norm": settings.critic_max_grad_norm,
            **behaves,
        },
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(
    world_model: WorldModel, behavior: Behavior, settings: DreamerSettings
) -> torch.optim.Optimizer:
    """Make one optimiser over all groups.

    Args:
        world_model: to be trained.
        behavior: to be trained.
        settings: which optimiser, its rates and clips. LaProp has one rate for all, and clips by itself.
    """
    groups = parameter_groups(world_model, behavior, settings)
    if settings.optimizer == "laprop":
        same = {"lr": settings.learning_rate, "max_norm": None}
        groups = [{**group, **same} for group in groups]
    if settings.optimizer == "adam":
        return torch.optim.AdamW(groups, fused=True)
    if settings.optimizer == "muon":
        return MuonWithAdam(groups)
    return LaProp(groups, clip=settings.adaptive_clip or float("inf"))
