"""The first lines of a run: what is trained on what, how much of it, and what it is measured against."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from engram.common.ranks import Ranks
from engram.common.spaces import NUMERIC, Path, class_name, fold
from engram.envs import VectorEnv
from engram.training.observation_notes import observation_notes
from engram.training.session import Session


def headline(session: Session, agent: str, core: str) -> str:
    """Describe a run in three lines: task, spaces and levels; agent, core, size and device; budget and intervals.

    After the first come those of `observation_notes`, if there is something to say.

    Args:
        session: the run's.
        agent: option of the agent.
        core: option of the core.
    """
    config, env = session.config, session.driver.env
    seen, done = space_text(env.single_observation_space), space_text(env.single_action_space)
    sizes = session.agent.sizes()
    evaluation, checkpoint = config["evaluation"], config["checkpoint"]
    evaluated = (
        f"an evaluation of {evaluation['episodes']:,} episodes every {evaluation['interval']:,} steps"
        if evaluation["interval"]
        else "no evaluation"
    )
    return "\n".join(
        [
            f"{env.name}: observations {seen}, actions {done}{levels(env)}",
            *observation_notes(env.single_observation_space, config["agent"]),
            f"{agent} with {core}: {sizes['parameters']:,} parameters, {sizes['core_parameters']:,} in the core"
            f"{_teaching(sizes)}; on {config['device']}",
            f"{config['total_env_steps']:,} steps in {env.num_envs * session.ranks.count:,} environments"
            f"{_shared(session.ranks)}; a checkpoint every "
            f"{checkpoint['interval']:,} steps{_or_minutes(checkpoint['interval_minutes'])}, {evaluated}",
        ]
    )


def _shared(ranks: Ranks) -> str:
    return f" of {ranks.count} processes" if ranks.is_many else ""


def _teaching(sizes: dict[str, int]) -> str:
    return f", {found:,} more that only teach" if (found := sizes.get("auxiliary_parameters")) else ""


def _or_minutes(minutes: float | None) -> str:
    return "" if minutes is None else f" or {minutes:g} minutes"


def levels(env: VectorEnv) -> str:
    """What chance and perfection are worth, as far as the environment states them."""
    known = {"chance": env.chance_return, "best": env.best_return}
    words = [f"{name} {value:.3g}" for name, value in known.items() if value is not None]
    return f"; return: {', '.join(words)}" if words else ""


def space_text(space: gymnasium.Space[Any]) -> str:
    """Write a space shortly, such as `Discrete(4)` or `Box(64, 64, 3) uint8`."""
    return fold(space, _leaf_text, _nested_text)


def _nested_text(path: Path, space: gymnasium.Space[Any], parts: dict[str, str]) -> str:
    if isinstance(space, spaces.Tuple):
        return f"Tuple({', '.join(parts.values())})"
    return f"Dict({', '.join(f'{key}: {part}' for key, part in parts.items())})"


def _leaf_text(path: Path, space: gymnasium.Space[Any]) -> str:
    if isinstance(space, spaces.Discrete):
        return f"Discrete({space.n})"
    if isinstance(space, spaces.MultiDiscrete):
        return f"MultiDiscrete({_list_text(space.nvec)})"
    if isinstance(space, spaces.Box):
        return f"Box({', '.join(map(str, space.shape))}) {space.dtype}"
    return str(space) if isinstance(space, NUMERIC) else class_name(space)


def _list_text(values: np.ndarray) -> str:
    """The entries of a list, shortened where they are many of the same; of an array its shape."""
    if values.ndim > 1:
        return ", ".join(map(str, values.shape))
    entries = [int(value) for value in np.ravel(values)]
    is_long = len(entries) > 6 and len(set(entries)) == 1
    return f"{entries[0]} x {len(entries)}" if is_long else str(entries)
