"""How large an agent is, and which width gives a core a wanted number of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from engram.agents.base import Agent
from engram.memory_cores import MemoryCore
from engram.run_files.json_text import json_text

# Widths are tried in multiples of this, which attention heads and blocks divide.
WIDTH_STEP = 8
MAX_WIDTH = 8192


def agent_sizes(agent: Agent) -> dict[str, int]:
    """Count what an agent learns and what it remembers.

    Args:
        agent: any.

    Returns:
        `parameters` of all its networks, `core_parameters` of the memory cores in them, both of what is trained, so
        that a copy such as a slow critic counts for nothing, and `carry_bytes_per_env`, what it carries from row to
        row for each environment, the key of its noise apart.
    """
    networks = [value for value in vars(agent).values() if isinstance(value, nn.Module)]
    cores = [part for network in networks for part in network.modules() if isinstance(part, MemoryCore)]
    carry = agent.initial_carry(1)
    remembered = [
        value
        for key, value in carry.items(include_nested=True, leaves_only=True)
        if not str(key).startswith("noise_")
    ]
    return {
        "parameters": _count(networks),
        "core_parameters": _count(cores),
        "carry_bytes_per_env": sum(value.numel() * value.element_size() for value in remembered),
    }


def _count(modules: Sequence[nn.Module]) -> int:
    """Trained parameters of modules that may share some or lie in one another."""
    parameters = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in parameters.values() if parameter.requires_grad)


def sizes_text(agent: Agent) -> str:
    """What a run's folder holds of its agent's sizes."""
    return json_text(agent_sizes(agent), indent=1) + "\n"


def matching_width(count: Callable[[int], int], target: int) -> int:
    """Find the width whose number of parameters is nearest to a target, by bisection.

    Args:
        count: parameters at a width; grows with it.
        target: wanted number of parameters.

    Returns:
        A multiple of 8; the smaller of two that are equally near.

    Raises:
        ValueError: if the smallest width has more than twice as many, or the largest fewer.
    """
    low, high = WIDTH_STEP, WIDTH_STEP
    at_low = at_high = count(low)
    if at_low > 2 * target:
        raise ValueError(
            f"A number of parameters must be within reach, but the smallest width, {low}, already has {at_low:,} "
            f"and {target:,} were asked for; ask for more."
        )
    while at_high < target:
        low, at_low, high = high, at_high, 2 * high
        if high > MAX_WIDTH:
            raise ValueError(
                f"A number of parameters must be within reach, but width {low} has only {at_low:,} and {target:,} "
                "were asked for; ask for fewer."
            )
        at_high = count(high)
    while high - low > WIDTH_STEP:
        middle = (low + high) // 2 // WIDTH_STEP * WIDTH_STEP
        at_middle = count(middle)
        if at_middle < target:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
    return low if target - at_low <= at_high - target else high
