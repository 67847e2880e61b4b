"""How the parameters of a soft actor-critic move: Adam, with learning rates of their own for cores and temperature."""

from __future__ import annotations

import torch
from torch import nn

from engram.agents.networks.soft_actor_critic import SoftActorCritic
from engram.agents.sac.settings import SACSettings
from engram.agents.sac.temperature import Temperature


def make_optimizer(
    network: SoftActorCritic, temperature: Temperature, settings: SACSettings
) -> torch.optim.Optimizer:
    """Make one optimiser over all groups, which `engram.agents.optim.groups.clip_groups` clips.

    Args:
        network: to be trained; gradients of actor and critic are clipped apart.
        temperature: to be trained, unless the settings fix it.
        settings: learning rates and clips.
    """
    rate, limit = settings.learning_rate, settings.max_grad_norm
    core = {"lr": settings.core_learning_rate or rate, "max_norm": limit}
    rest = {"lr": rate, "max_norm": limit}
    alpha = {"lr": settings.temperature_learning_rate or rate, "max_norm": None}
    of_group = {"critic": rest, "critic_core": core, "actor": rest, "actor_core": core, "temperature": alpha}
    parameters: dict[str, list[nn.Parameter]] = {name: [] for name in of_group}
    for name, parameter in network.named_parameters():
        part = "critic" if name.startswith("critic.") else "actor"
        parameters[f"{part}_core" if name.startswith(f"{part}.core.") else part].append(parameter)
    parameters["temperature"] += [one for one in temperature.parameters() if one.requires_grad]
    groups = [
        {"name": name, "clip_name": name.removesuffix("_core"), "params": parameters[name], **options}
        for name, options in of_group.items()
        if parameters[name]
    ]
    return torch.optim.Adam(groups, eps=settings.adam_epsilon, fused=True)
