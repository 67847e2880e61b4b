"""What a run's first lines say of its observations: what nobody reads, and what is read in large numbers."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from engram.agents.networks.leaves import observation_leaves
from engram.common.spaces import NUMERIC, is_text, leaves, place

_LARGE = 100.0
_AS_GOOD_AS_NONE = 1e30  # a bound such as float32's largest number
_NORMALIZE = "agent.make_network.make_encoder.normalize=true"


def observation_notes(space: gymnasium.Space[Any], agent: dict[str, Any]) -> list[str]:
    """Say what of an observation rows do not hold, and which of its numbers may be large and are read as they are.

    Args:
        space: of one observation.
        agent: the configuration of the agent.

    Returns:
        A line of each; none where there is nothing to say.
    """
    return [*_left_out(space), *_large(space, agent)]


def _left_out(space: gymnasium.Space[Any]) -> list[str]:
    out = {place(path): leaf for path, leaf in leaves(space) if not isinstance(leaf, NUMERIC)}
    if not out:
        return []
    has_text = any(is_text(leaf) for leaf in out.values())
    hint = "; env.text=hash makes numbers of the words of texts" if has_text else ""
    return [f"left out of what the agent sees: {', '.join(out)}{hint}"]


def _large(space: gymnasium.Space[Any], agent: dict[str, Any]) -> list[str]:
    """Of agents whose encoder could normalise vectors, and does not."""
    network = agent.get("make_network")
    encoder = network.get("make_encoder") if isinstance(network, dict) else None
    if not isinstance(encoder, dict) or encoder.get("normalize") is not False:
        return []
    parts = observation_leaves(space, encoder.get("image_layout", "auto"), encoder.get("leaves"))
    sizes = {part.name: largest_number(part.space) for part in parts if part.kind == "vector"}
    large = [f"{name} (up to {_short(size)})" for name, size in sizes.items() if size > _LARGE]
    if not large:
        return []
    return [f"numbers are read as they are: {', '.join(large)}; {_NORMALIZE} brings them to about 1"]


def _short(size: float) -> str:
    return f"{size:,.0f}" if size < 1e6 else f"{size:.1g}"


def largest_number(space: gymnasium.Space[Any]) -> float:
    """Return the largest size that the bounds of a Box state, 0 where they state none.

    Args:
        space: any; what is no Box has no large numbers.
    """
    if not isinstance(space, spaces.Box):
        return 0.0
    sizes = np.abs(np.concatenate([space.low.ravel(), space.high.ravel()]).astype(np.float64))
    stated = np.concatenate([space.bounded_below.ravel(), space.bounded_above.ravel()])
    return float(np.max(sizes, initial=0.0, where=stated & (sizes < _AS_GOOD_AS_NONE)))
