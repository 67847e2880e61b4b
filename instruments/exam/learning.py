"""The world model of an exam learns: batches of whole episodes, drawn by the number of the update alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engram.agents.world_model import Dreamer
from engram.common.streams import stream_key, whole_numbers
from engram.instruments.exam.episodes import Episodes
from engram.instruments.exam.task import as_batch

_LOG_EVERY = 50


@dataclass
class Progress:
    """How far a world model has come; with the agent's own state it goes on exactly where it stopped.

    Attributes:
        log: mean losses over the updates since the entry before, each with the `update` it was written at.
        waiting: sums of the losses that are not written yet.
    """

    log: list[dict[str, float]] = field(default_factory=list)
    waiting: dict[str, float] = field(default_factory=dict)

    def note(self, update: int, metrics: dict[str, float], is_end: bool) -> None:
        """Take in an update's losses."""
        for name, value in metrics.items():
            self.waiting[name] = self.waiting.get(name, 0.0) + value
        if update % _LOG_EVERY == 0 or is_end:
            count = update - int(self.log[-1]["update"] if self.log else 0)
            means = {name: value / count for name, value in self.waiting.items()}
            self.log.append({"update": update, **means})
            self.waiting = {}

    def state(self) -> dict[str, Any]:
        """JSON values, from which `Progress(**state)` goes on."""
        return {"log": self.log, "waiting": self.waiting}


def num_lanes(agent: Dreamer, num_rows: int) -> int:
    """How many episodes make about as many rows as a batch of the agent's."""
    return max(1, agent.settings.batch_size * agent.settings.batch_length // num_rows)


def learn(
    agent: Dreamer,
    episodes: Episodes,
    num_updates: int,
    progress: Progress,
    should_stop: Callable[[], bool],
    after_update: Callable[[], None] = lambda: None,
) -> bool:
    """Teach the world model until it has made `num_updates`.

    Args:
        agent: goes on from its `num_updates`; its actor and critic stay as they are.
        episodes: learnt from.
        num_updates: in all.
        progress: written to.
        should_stop: asked between updates.
        after_update: called after each, as to save.

    Returns:
        Whether it has made all of them.

    Raises:
        FloatingPointError: if a loss is NaN or infinite.
    """
    if agent.num_updates == 0:
        agent.update_normalizers(episodes.rows)
    count, num_rows = episodes.rows.batch_size
    lanes = num_lanes(agent, num_rows)
    while agent.num_updates < num_updates:
        if should_stop():
            return False
        key = stream_key(agent.settings.seed, "exam's batch", agent.num_updates)
        drawn = whole_numbers(key, lanes) % count
        batch = as_batch(agent, Episodes(episodes.rows[drawn.to(episodes.rows["is_first"].device)], {}))
        metrics = agent.learn_model(batch)
        losses = {name: value for name, value in metrics.items() if "/" not in name}
        progress.note(agent.num_updates, losses, is_end=agent.num_updates == num_updates)
        after_update()
    return True
