"""Episodes that go on and on: continuing a run repeats their actions, and the user hears once what that costs."""

from __future__ import annotations

import warnings

from engram.envs.episode_log import EpisodeLog

MANY_ACTIONS = 100_000
_CHECK_EVERY = 1024


class LongEpisode:
    """Says once that an episode has become long.

    Args:
        name: of the environment.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_said = False
        self._steps, self._seconds = 0, 0.0

    def note_step(self, seconds: float, log: EpisodeLog) -> None:
        """Take note of how long a step has taken, and warn if an episode has become long.

        Args:
            seconds: of the step, all environments together.
            log: of the running episodes.
        """
        self._steps += 1
        self._seconds += seconds
        if self._is_said or self._steps % _CHECK_EVERY or (longest := log.num_actions().max()) < MANY_ACTIONS:
            return
        self._is_said = True
        cost = self._seconds / self._steps * 100_000
        warnings.warn(
            f"Environment {self._name} is in an episode of {longest:,} actions. Continuing this run would repeat all "
            f"of them, for up to {cost:.1f} seconds for each 100,000, and checkpoints hold them: set "
            "max_episode_steps if its episodes have no end.",
            stacklevel=3,
        )

    def warn_of_repeating(self, actions: int) -> None:
        """Say that so many actions will be repeated now, if they are many."""
        if actions >= MANY_ACTIONS:
            warnings.warn(
                f"Environment {self._name} stands in an episode of {actions:,} actions, which are repeated now; this "
                "may take a while.",
                stacklevel=3,
            )
