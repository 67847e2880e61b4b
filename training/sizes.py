"""How large an agent is, as stored, and which width gives a core a wanted number of parameters."""

from __future__ import annotations

from collections.abc import Callable

from engram.agents.base import Agent
from engram.run_files.json_text import json_text

# Widths are tried in multiples of this, which attention heads and blocks divide.
WIDTH_STEP = 8
MAX_WIDTH = 8192


def sizes_text(agent: Agent) -> str:
    """What a run's folder holds of its agent's sizes."""
    return json_text(agent.sizes(), indent=1) + "\n"


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
