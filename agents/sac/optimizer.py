"""How the parameters of a soft actor-critic move: Adam, with a learning rate of its own for cores and temperature."""

from __future__ import annotations

from typing import Any

import torch

from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.sac.settings import SACSettings
from engram.agents.sac.temperature import Temperature

Group = dict[str, Any]


def make_optimizer(
    network: SoftActorCritic, temperature: Temperature, settings: SACSettings
) -> torch.optim.Optimizer:
    """Make one optimiser over all groups, which `engram.agents.optim.groups.clip_groups` clips.

    Args:
        network: to be trained; gradients of actor and critic are clipped apart.
        temperature: to be trained, unless the settings fix it.
        settings: learning rates and clips.
    """
    rate = settings.learning_rate
    cores = [memory.core for memory in (network.critic, network.actor) if memory is not None]
    in_core = {id(parameter) for core in cores for parameter in core.parameters()}
    of_critic = {id(parameter) for parameter in network.critic.parameters()}
    groups: list[Group] = []
    for part, is_critic in (("critic", True), ("actor", False)):
        own = [one for one in network.parameters() if (id(one) in of_critic) is is_critic]
        for name, is_core, lr in (
            (part, False, rate),
            (f"{part}_core", True, settings.core_learning_rate or rate),
        ):
            parameters = [one for one in own if (id(one) in in_core) is is_core]
            groups.append({"name": name, "clip_name": part, "params": parameters, "lr": lr})
    groups.append(
        {
            "name": "temperature",
            "clip_name": "temperature",
            "params": [one for one in temperature.parameters() if one.requires_grad],
            "lr": settings.temperature_learning_rate or rate,
        }
    )
    limited = [
        {**group, "max_norm": None if group["name"] == "temperature" else settings.max_grad_norm}
        for group in groups
        if group["params"]
    ]
    return torch.optim.Adam(limited, eps=settings.adam_epsilon, fused=True)
