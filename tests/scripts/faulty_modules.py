"""Modules of a user's own with a mistake in them, written to a folder that is put on the search path."""

FAULTY = """
import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from engram.memory_cores import GRU

ERRORS = {
    "type": lambda: 1 + "a",
    "key": lambda: {}["delay"],
    "value": lambda: int("far"),
    "own": lambda: complain(),
    "numpy": lambda: np.zeros(3) + np.zeros(4),
    "file": lambda: open("no_such_file"),
}


def complain():
    raise ValueError("my own complaint")


def die(fate, place):
    where, _, kind = fate.partition("-")
    if where == place:
        ERRORS[kind]()


class Core(GRU):
    def __init__(self, input_size, hidden_size=8, fate=""):
        self.fate = fate
        die(fate, "core")
        super().__init__(input_size, hidden_size)

    def forward(self, *arguments, **options):
        die(self.fate, "forward")
        return super().forward(*arguments, **options)


class Env(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)
    steps = 0

    def __init__(self, fate="", render_mode=None):
        self.fate, self.render_mode = fate, render_mode
        die(fate, "env")

    def reset(self, *, seed=None, options=None):
        die(self.fate, "reset")
        return np.zeros(2, np.float32), {}

    def step(self, action):
        die(self.fate, "step")
        self.steps += 1
        return np.zeros(2, np.float32), 1.0, self.steps % 5 == 0, False, {}

    def render(self):
        return 1 + "a"


gymnasium.register("faulty/Env-v0", Env)
"""

BROKEN = {
    "broken_type": "1 + 'a'",
    "broken_import": "import no_such_module_of_the_users",
    "broken_name": "from gymnasium import NoSuchName",
    "broken_value": "int('far')",
    "broken_syntax": "def f(:",
}


def write_faulty_modules(folder):
    """Write `faulty` and the modules that cannot be imported; returns the folder."""
    (folder / "faulty.py").write_text(FAULTY)
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text + "\n")
    return folder
