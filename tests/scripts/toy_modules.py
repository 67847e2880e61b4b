"""Modules of a user's own, written to a folder that is put on the search path."""

ENVIRONMENTS = '''
import gymnasium
import numpy as np
from gymnasium import spaces


class Texts(gymnasium.Env):
    """Shows text, which no agent reads."""

    observation_space = spaces.Text(5)
    action_space = spaces.Discrete(2)


class Rotten(gymnasium.Env):
    """Its observations become NaN after some steps."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        value = np.nan if self.steps > 100 else 0.5
        return np.full(2, value, np.float32), 1.0, self.steps % 10 == 0, False, {}


gymnasium.register("toys/Texts-v0", Texts)
gymnasium.register("toys/Rotten-v0", Rotten)
'''

CORES = '''
from engram.envs import RecallFirst
from engram.memory_cores import GRU


class MyCore(GRU):
    """A core of the user's own."""


class MyEnv(RecallFirst):
    """An environment of the user's own."""


class Fragile(GRU):
    """A core that breaks in training after some calls, if that is its fate."""

    def __init__(self, input_size: int, hidden_size: int, fate: str, calls: int) -> None:
        super().__init__(input_size, hidden_size)
        self.fate, self.calls = fate, calls

    def step(self, x, carry, is_first, donate=False):
        self.calls -= 1
        if self.calls == 0 and self.fate == "error":
            raise RuntimeError("the core is broken")
        return super().step(x, carry, is_first, donate)


def proof(path, **arguments):
    """Leave a trace of having run."""
    open(path, "w").close()
'''


def write_modules(folder):
    """Write `toy_envs_package` and `my_package`; returns the folder."""
    (folder / "toys_package.py").write_text(ENVIRONMENTS)
    (folder / "my_package.py").write_text(CORES)
    return folder
