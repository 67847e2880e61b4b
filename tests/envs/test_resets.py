"""What every reset of a Gymnasium environment is given."""

import gymnasium
import gymnasium.spaces as gs
import pytest
import torch
from toy_envs import register

from engram.command_line.config import compose_config
from engram.common.errors import EnvironmentFault
from engram.envs import GymnasiumEnv
from engram.envs.given import given_env
from engram.run_files.fixed_config import digest
from engram.training.building import build_env


class WithOptions(gymnasium.Env):
    """Lasts as many actions as the reset's options say, checks their names, and spoils what it was given."""

    observation_space = gs.Discrete(10)
    action_space = gs.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 3
        if options is not None:
            assert options.keys() == {"length"}, f"no such parameter in {list(options)}"
            self.left = options["length"].pop()
        return self.left, {}

    def step(self, action):
        self.left -= 1
        return self.left, 0.0, self.left == 0, False, {}


def lengths(env: GymnasiumEnv, steps: int) -> list[int]:
    """What the rows of one environment show."""
    rows = [env.reset(0), *(env.step(torch.zeros(env.num_envs, dtype=torch.int64)) for _ in range(steps))]
    return [int(row["obs"][-1]) for row in rows]


def test_every_reset_gets_them_whole():
    id = register(WithOptions)
    assert lengths(GymnasiumEnv(id, 2), 4) == [3, 2, 1, 0, 3]
    assert lengths(GymnasiumEnv(id, 2, reset_options={"length": [2]}), 6) == [2, 1, 0, 2, 1, 0, 2]
    assert lengths(given_env(WithOptions).make(1, "cpu", reset_options={"length": [2]}), 3) == [2, 1, 0, 2]


def test_so_does_one_that_is_continued():
    env, other = (
        GymnasiumEnv(register(WithOptions), 1, reset_options={"length": [4]}, guard_global_random=guard)
        for guard in (False, True)
    )
    assert lengths(env, 6)[-2:] == [4, 3]
    assert torch.equal(other.load_state_dict(env.state_dict())["obs"], torch.tensor([3]))
    assert other.resume_is_exact


def test_words_of_the_command_line():
    words = ["env=gymnasium", f"env.id={register(WithOptions)}"]
    config = compose_config("train", [*words, "env.reset_options={length:[5]}"]).values
    assert lengths(build_env(config, 1), 1) == [5, 4]
    before = compose_config("train", words).values
    without = {
        **before,
        "env": {key: value for key, value in before["env"].items() if key != "reset_options"},
    }
    assert digest(before) == digest(without) != digest(config)


def test_options_that_are_refused_are_named():
    env = GymnasiumEnv(register(WithOptions), 1, reset_options={"size": 2})
    with pytest.raises(
        EnvironmentFault, match=r"with {'size': 2} it says AssertionError: no such parameter in \['size'\]"
    ):
        env.reset(0)
