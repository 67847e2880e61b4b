"""How observations are read is an option by a short name, for every agent."""

import pytest

from scripts.config import compose_config
from scripts.errors import UsageError


def encoder_options(*words):
    return compose_config("train", words).values["agent"]["make_network"]["make_encoder"]


@pytest.mark.parametrize(
    ("words", "leaves"),
    [
        (["leaves.mission=none"], {"mission": "none"}),
        (["leaves.a=none", "leaves.b.c=vector"], {"a": "none", "b.c": "vector"}),
        (["agent.make_network.make_encoder.leaves.a=image"], {"a": "image"}),
        (["leaves.two words=none", "leaves.a/b=none"], {"two words": "none", "a/b": "none"}),
        (["leaves={a: none, 'x y': chw}"], {"a": "none", "x y": "chw"}),
    ],
)
def test_leaves_of_ppo(words, leaves):
    assert encoder_options(*words)["leaves"] == leaves


@pytest.mark.parametrize("agent", ["r2i", "dreamerv3"])
@pytest.mark.parametrize("prefix", ["", "agent."])
def test_leaves_and_layout_of_world_models(agent, prefix):
    words = [f"agent={agent}", f"{prefix}leaves.camera=chw", f"{prefix}image_layout=hwc"]
    values = compose_config("train", words).values["agent"]
    assert (values["leaves"], values["image_layout"]) == ({"camera": "chw"}, "hwc")


def test_nothing_is_set_by_default():
    assert (encoder_options()["leaves"], encoder_options()["image_layout"]) == ({}, "auto")
    assert encoder_options("image_layout=chw")["image_layout"] == "chw"


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["leaves=vector"], "said by key"),
        (["leaves={a"], "said by key"),
        (["agent.leaves.a=none"], "given where there is none"),
        (["agent=custom", "agent._target_=x.Y", "leaves.a=none"], "given where there is none"),
    ],
)
def test_mistakes_are_one_sentence(words, pattern):
    with pytest.raises(UsageError, match=pattern):
        compose_config("train", words)
