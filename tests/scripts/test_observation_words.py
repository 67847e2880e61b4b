"""How observations are read is an option by a short name, for every agent."""

import pytest

from engram.command_line.config import compose_config
from engram.command_line.observation_words import is_observation_word, set_readings
from engram.common.errors import UsageError


def ppo():
    return {"agent": {"make_network": {"make_encoder": {"leaves": {"old": "none"}, "image_layout": "auto"}}}}


def set_in_ppo(*words):
    assert all(map(is_observation_word, words))
    return set_readings(ppo(), words)["agent"]["make_network"]["make_encoder"]


@pytest.mark.parametrize(
    ("words", "leaves"),
    [
        ([], {"old": "none"}),
        (["leaves.mission=none"], {"old": "none", "mission": "none"}),
        (["leaves.old=image", "leaves.b.c=vector"], {"old": "image", "b.c": "vector"}),
        (["+agent.make_network.make_encoder.leaves.a=image"], {"old": "none", "a": "image"}),
        (["leaves.two words=none", "leaves.a/b=none"], {"old": "none", "two words": "none", "a/b": "none"}),
        (["leaves={a: none, 'x y': chw}"], {"a": "none", "x y": "chw"}),
        (["leaves={a:none,b:chw}"], {"a": "none", "b": "chw"}),
    ],
)
def test_parts_are_named_by_any_key(words, leaves):
    assert set_in_ppo(*words)["leaves"] == leaves


def test_what_is_composed_stays_as_it_is():
    values = ppo()
    assert set_readings(values, ["leaves.a=none", "image_layout=chw"]) != values == ppo()


@pytest.mark.parametrize("agent", ["ppo", "impala", "a2c", "pqn", "r2d2", "sac", "r2i", "dreamerv3"])
def test_every_agent_has_them(agent):
    words = [f"agent={agent}", "leaves.camera=chw", "image_layout=hwc"]
    is_world_model = agent in ("r2i", "dreamerv3")
    if is_world_model:
        words[1] = "agent.leaves.camera=chw"
    values = compose_config("train", words).values["agent"]
    options = values["make_network"]["make_encoder"] if not is_world_model else values
    assert (options["leaves"], options["image_layout"]) == ({"camera": "chw"}, "hwc")


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("leaves=vector", "said by key"),
        ("leaves={a", "said by key"),
        ("agent.leaves.a=none", "given where there is none"),
    ],
)
def test_mistakes_are_one_sentence(word, pattern):
    with pytest.raises(UsageError, match=pattern):
        set_in_ppo(word)


def test_an_agent_without_these_options_is_named():
    with pytest.raises(UsageError, match=r"'leaves\.a=none' was given where there is none"):
        set_readings({"agent": {"_target_": "my.Agent"}}, ["leaves.a=none"])
