import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from toy_envs import Sampler, register

from engram.envs import GymnasiumEnv, HashedText
from engram.envs.hashed_text import hashed_words


def test_words_and_neighbours_count():
    assert np.abs(hashed_words("go", 512)).sum() == 1
    assert np.abs(hashed_words("go to the door", 512)).sum() == 4 + 3
    assert not hashed_words("", 8).any() and not hashed_words(" ., ", 8).any()
    one, other = hashed_words("red before blue", 256), hashed_words("blue before red", 256)
    assert (one != other).any() and one @ other >= 3  # three words in common, no neighbours
    assert (hashed_words("Go, to!", 64) == hashed_words("go to", 64)).all()


def test_literal_places():
    """The same in every process and version: a sentence keeps its numbers."""
    assert hashed_words("get the key", 8).tolist() == [0.0, 1.0, -1.0, 1.0, 1.0, 0.0, 0.0, -1.0]


@pytest.mark.parametrize(
    "space",
    [
        gs.Text(5),
        gs.Dict(mission=gs.Text(5), view=gs.Discrete(3), pair=gs.Tuple((gs.Text(3), gs.Discrete(2)))),
    ],
)
def test_observations(space):
    env = GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, text="hash", text_size=16)
    row = env.reset(0)
    if isinstance(space, gs.Text):
        assert row["obs"].shape == (2, 16) and env.single_observation_space.shape == (16,)
        return
    assert row["obs", "mission"].shape == row["obs", "pair", "0"].shape == (2, 16)
    assert row["obs", "view"].dtype == torch.int64
    other = GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, text="hash", text_size=16)
    env.step(torch.zeros(2, dtype=torch.int64))
    pending = other.load_state_dict(env.state_dict())
    assert torch.equal(pending["obs", "mission"], env._row["obs", "mission"])


def test_what_is_refused_says_what_helps():
    for space, said in (
        (gs.Text(5), "make numbers of its words with env.text=hash"),
        (gs.Sequence(gs.Discrete(2)), "it has no fixed size"),
        (gs.Graph(gs.Discrete(2), None), "it has no fixed size"),
    ):
        with pytest.raises(ValueError, match=said):
            GymnasiumEnv(register(Sampler), 1, kwargs={"space": space})
    with pytest.raises(ValueError, match="text of GymnasiumEnv must be one of drop, hash, but got 'hashed'"):
        GymnasiumEnv(register(Sampler), 1, kwargs={"space": gs.Text(5)}, text="hashed")


def test_it_is_a_wrapper_of_its_own():
    env = HashedText(Sampler(gs.Dict(a=gs.Text(4), b=gs.Box(0, 1, (2,)))), 8)
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs) and env.observation_space.contains(env.step(0)[0])
