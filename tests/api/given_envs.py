"""Environments and classes of a user's own."""

import gymnasium
import numpy as np
from gymnasium import spaces

from engram.memory_cores import GRU


class Recall(gymnasium.Env):
    """Shows a number, then nothing, and asks for it; its generator is that of Gymnasium."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Discrete(2)

    def __init__(self, delay=2, render_mode=None):
        self.delay, self.render_mode, self.resets = delay, render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets += 1
        self.cue, self.time = int(self.np_random.integers(2)), 0
        return self.cue, {}

    def step(self, action):
        self.time += 1
        is_over = self.time > self.delay
        return 2, float(is_over and action == self.cue), is_over, False, {"asked": float(is_over)}


class Unlike(gymnasium.vector.VectorEnv):
    """A batch without single environments: two numbers that count, one of them up to 3 and the other up to 5."""

    def __init__(self, num_envs=2, autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP):
        self.num_envs, self.metadata = num_envs, {"autoreset_mode": autoreset_mode}
        self.single_observation_space = spaces.Box(0, 9, (1,), np.float32)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = spaces.Box(0, 9, (num_envs, 1), np.float32)
        self.action_space = spaces.MultiDiscrete([2] * num_envs)
        self.ends = 3 + 2 * (np.arange(num_envs) % 2)

    def _seen(self):
        return self.count[:, None].astype(np.float32)

    def reset(self, *, seed=None, options=None):
        self.count, self.over = np.zeros(self.num_envs, int), np.zeros(self.num_envs, bool)
        return self._seen(), {}

    def step(self, actions):
        self.count = np.where(self.over, 0, self.count + 1)
        reward = np.where(self.over, 0.0, actions)
        self.over = self.count == self.ends
        return self._seen(), reward, self.over.copy(), np.zeros(self.num_envs, bool), {}


class OwnCore(GRU):
    """A core of a package that nobody has allowed yet."""
