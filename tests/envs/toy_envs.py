"""Environments small enough that a test can say what every row must be."""

import copy
import os
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.envs.native import NativeVectorEnv

# Episode number -> (number of actions, terminated, truncated), then from the beginning again.
SCRIPT = [(2, True, False), (3, False, True), (1, True, True)]


class Scripted(gymnasium.Env):
    """Shows the time, pays 10 × time + action, ends as the script says."""

    observation_space = gs.Discrete(10)
    action_space = gs.Discrete(5)

    def __init__(self) -> None:
        self.episode = -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.time = 0
        return 0, {"answer": 7}

    def step(self, action):
        self.time += 1
        length, terminated, truncated = SCRIPT[self.episode % 3]
        last = self.time == length
        return self.time, 10.0 * self.time + action, last and terminated, last and truncated, {"answer": 7}


class ScriptedNative(NativeVectorEnv):
    """The same in torch."""

    name = "scripted"
    single_observation_space = gs.Discrete(10)
    single_action_space = gs.Discrete(5)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:
        return {"script": torch.tensor(SCRIPT, device=self.device)[episode % 3]}

    def advance(self, task, time, action):
        length, terminated, truncated = task["script"].unbind(1)
        last = time + 1 == length
        return task, 10.0 * (time + 1) + action, last & terminated.bool(), last & truncated.bool()

    def observe(self, task, time):
        return time


class Sampler(gymnasium.Env):
    """Shows samples of any space, drawn with the episode's seed; episodes last 4 to 9 actions."""

    action_space = gs.Discrete(3)

    def __init__(self, space: gs.Space, action_space: gs.Space | None = None) -> None:
        self.observation_space = copy.deepcopy(space)  # it samples with a generator of its own
        self.action_space = action_space or gs.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.left = int(self.np_random.integers(4, 10))
        return self.observation_space.sample(), {}

    def step(self, action):
        self.left -= 1
        total = float(np.sum(action)) + float(self.np_random.random())
        return self.observation_space.sample(), total, self.left == 0, False, {}


class Echo(gymnasium.Env):
    """Shows the action it was given."""

    def __init__(self, action_space: gs.Space) -> None:
        self.action_space = action_space
        self.observation_space = gs.Box(-np.inf, np.inf, (int(np.prod(action_space.shape)),), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(self.observation_space.shape), {}

    def step(self, action):
        assert self.action_space.contains(action if self.action_space.shape else int(action))
        return np.asarray(action, dtype=np.float64).reshape(-1), 0.0, False, False, {}


class Unreproducible(gymnasium.Env):
    """Where the episode's seed says so, draws its observations and its length from the operating system."""

    observation_space = gs.Box(0, 1, (2,))
    action_space = gs.Discrete(2)

    def __init__(self, always: bool = False, blank: float | None = None) -> None:
        self.always = always
        self.blank = blank

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        entropy = int.from_bytes(os.urandom(4), "little")
        wild = self.always or bool(self.np_random.integers(2))
        self.generator = np.random.default_rng(entropy if wild else seed)
        self.left = int(self.generator.integers(20, 40)) if wild else 30
        return self.observation(), {}

    def step(self, action):
        assert self.left > 0, "stepped after the end"
        self.left -= 1
        return self.observation(), 0.0, self.left == 0, False, {}

    def observation(self) -> np.ndarray:
        if self.blank is not None:
            return np.full(2, self.blank, np.float32)
        return self.generator.random(2, dtype=np.float32)


class Masked(gymnasium.Env):
    """Gives a mask of its two-part actions, as Gymnasium's own `sample(mask=…)` takes it."""

    observation_space = gs.Discrete(2)
    action_space = gs.MultiDiscrete([2, 3])

    def __init__(self, when: str = "always") -> None:
        self.when = when

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {} if self.when == "later" else self.info()

    def step(self, action):
        return 1, 0.0, False, False, {} if self.when == "first" else self.info()

    def info(self) -> dict[str, Any]:
        if self.when == "wrong":
            return {"action_mask": np.ones(4, np.int8)}
        return {"action_mask": (np.array([1, 0], np.int8), np.array([0, 1, 1], np.int8))}


class Painted(Scripted):
    """Draws its time and its own number of resets."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode

    def render(self):
        return np.full((4, 6, 3), 10 * self.episode + self.time, dtype=np.uint8)


def register(entry_point: type[gymnasium.Env]) -> str:
    """Register a class and return its id."""
    id = f"toy/{entry_point.__name__}-v0"
    if id not in gymnasium.registry:
        gymnasium.register(id, entry_point, order_enforce=False)
    return id
