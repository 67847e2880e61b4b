"""What a run's first lines say of observations: what nobody reads, and what is read in large numbers."""

import gymnasium
import numpy as np
from gymnasium import spaces

from engram.command_line.config import compose_config
from engram.command_line.options import TrainOptions
from engram.common.checked import check_options
from engram.training.headline import headline
from engram.training.observation_notes import largest_number, observation_notes
from engram.training.session import Session

NORMALIZE = "agent.make_network.make_encoder.normalize"


class Noted(gymnasium.Env):
    """Says what it wants."""

    observation_space = spaces.Dict(mission=spaces.Text(9), view=spaces.Discrete(3))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return {"mission": "go", "view": 1}, {}


def test_what_nobody_reads_is_a_line():
    id = "toy/Noted-v0"
    if id not in gymnasium.registry:
        gymnasium.register(id, Noted)
    words = ["env=gymnasium", f"env.id={id}", "core=gru", "core.hidden_size=8", "num_envs=8"]

    def lines(*more):
        config = check_options(compose_config("train", [*words, *more]).values, TrainOptions)
        return headline(Session.build(config), "ppo", "gru").splitlines()

    told = lines()
    assert (
        told[0]
        == "gymnasium/toy/Noted-v0: observations Dict(mission: Text, view: Discrete(3)), actions Discrete(2)"
    )
    assert (
        told[1]
        == "left out of what the agent sees: mission; env.text=hash makes numbers of the words of texts"
    )
    assert lines("leaves.mission=none")[1] == told[1] and len(told) == 4
    assert len(lines("env.text=hash")) == 3


def test_large_numbers_are_a_line():
    space = spaces.Dict(
        glyphs=spaces.Box(0, 5976, (21, 9), np.int16),
        camera=spaces.Box(0, 255, (64, 64, 3), np.uint8),
        speed=spaces.Box(np.array([-8, -np.inf], np.float32), np.array([8, 3.4e38], np.float32)),
        statistics=spaces.Box(-(2**63), 2**63 - 1, (3,), np.int64),
    )
    found = ["glyphs", "statistics"]
    assert [key for key, part in space.items() if largest_number(part) > 255] == found
    agent = compose_config("train", ["core=gru"]).values["agent"]
    (line,) = observation_notes(space, agent)
    assert line == (
        "numbers are read as they are: glyphs (up to 5,976), statistics (up to 9e+18); "
        f"{NORMALIZE}=true brings them to about 1"
    )
    assert observation_notes(space["speed"], agent) == []
    for words in ([f"{NORMALIZE}=true"], ["agent=r2i"]):
        other = compose_config("train", ["core=gru", *words]).values["agent"]
        assert observation_notes(space, other) == []
    (line,) = observation_notes(space, compose_config("train", ["leaves.glyphs=none"]).values["agent"])
    assert "read as they are: statistics (up to 9e+18);" in line
