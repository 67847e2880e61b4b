"""An environment that fails in a process of its own fails as it would in this one."""

import re

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.common.errors import EnvironmentFault
from engram.envs import GymnasiumEnv, async_envs
from engram.training.user_code import place_in_user_code


class Unsendable(Exception):
    """Cannot be pickled."""

    def __init__(self, first, second):
        super().__init__(f"{first}{second}")


class Failing(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)

    def __init__(self, fate):
        self.fate = fate

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        if self.fate == "percent":
            return 7 % 0
        if self.fate == "unsendable":
            raise Unsendable(1, lambda: 2)
        if self.fate == "column":  # shared memory would hold it
            return np.zeros((2, 1), np.float32), 0.0, False, False, {}
        if self.fate == "complex":
            return np.zeros(2, np.complex64), 0.0, False, False, {}
        return np.zeros(2, np.float32), "a word", False, False, {}


gymnasium.register("failing/Env-v0", Failing)


def stepped(fate):
    """Step an environment that fails, and return the error."""
    env = GymnasiumEnv("failing/Env-v0", 2, kwargs={"fate": fate}, vectorization="async", start_method="fork")
    try:
        env.reset(0)
        with pytest.raises(Exception) as caught:
            env.step(torch.zeros(2, dtype=torch.int64))
        return caught.value
    finally:
        env.close()


def test_its_error_has_its_type_and_its_traceback():
    error = stepped("percent")
    assert type(error) is ZeroDivisionError
    assert "7 % 0" in str(error.__cause__)
    place = place_in_user_code(error)
    assert place.error is error and place.file == __file__ and place.function == "step"


def test_a_broken_contract_stays_a_sentence():
    error = stepped("reward")
    assert type(error) is EnvironmentFault and "a word" in str(error)
    assert place_in_user_code(error) is None


@pytest.mark.parametrize(
    "fate,got", [("column", r"float32 of shape \(2, 1\)"), ("complex", "complex64 of shape")]
)
def test_an_observation_of_another_shape_or_kind_is_refused(fate, got):
    error = stepped(fate)
    assert type(error) is EnvironmentFault
    assert re.search(r"must be float32 of shape \(2,\), but got " + got, str(error))


def test_an_error_that_cannot_be_sent_ends_the_wait(monkeypatch):
    monkeypatch.setattr(async_envs, "_SECONDS", 0.5)
    assert "set vectorization='sync' to see it" in str(stepped("unsendable"))
