"""A task whose steps take time, at random or in one actor alone; it is otherwise RecallFirst."""

import random
import time

from engram.envs.diagnostic import RecallFirst


class Delayed(RecallFirst):
    """RecallFirst that waits before a step.

    Args:
        num_envs: number of environments.
        delay: of the task.
        at_random: seconds at most, drawn anew for every step.
        slow_from: the first environment of those that wait every time.
        slow: seconds that these wait.
        device: of the rows.
        env_index_offset: number of the first environment.
    """

    def __init__(
        self,
        num_envs: int,
        delay: int = 3,
        at_random: float = 0.0,
        slow_from: int = 1_000_000,
        slow: float = 0.0,
        device: str = "cpu",
        env_index_offset: int = 0,
    ) -> None:
        super().__init__(num_envs, delay=delay, device=device, env_index_offset=env_index_offset)
        self._at_random, self._slow = at_random, slow if env_index_offset >= slow_from else 0.0

    def step_sampled(self, action):
        time.sleep(self._slow + random.random() * self._at_random)
        return super().step_sampled(action)
