"""`help` of a class shows every setting that it takes."""

import dataclasses
import inspect
import pydoc
import re

import pytest
from gymnasium import spaces

from engram import agents
from engram.common.annotations import further_options
from engram.memory_cores import GRU

AGENTS = [agents.PPO, agents.IMPALA, agents.PQN, agents.R2D2, agents.SAC, agents.Dreamer]


@pytest.mark.parametrize("kind", AGENTS, ids=lambda kind: kind.__name__)
def test_every_setting_is_in_signature_and_docstring(kind):
    options = further_options(kind)
    parameters = inspect.signature(kind).parameters
    names = {field.name for field in dataclasses.fields(options)}
    assert len(names) > 15 and names <= parameters.keys()
    assert not [one for one in parameters.values() if one.kind is one.VAR_KEYWORD]
    text = pydoc.plain(pydoc.render_doc(kind))
    told = {name for name in names if f"    {name}: " in text}
    assert told == names and "see its class" not in text and "**settings" not in text


def test_help_of_ppo():
    signature = inspect.signature(agents.PPO)
    assert list(signature.parameters)[:4] == [
        "observation_space",
        "action_space",
        "make_core",
        "make_network",
    ]
    assert signature.parameters["learning_rate"].default == 2e-3
    assert signature.parameters["learning_rate"].annotation is float
    assert signature.parameters["bptt_length"].annotation == int | None
    lines = inspect.getdoc(agents.PPO).splitlines()
    assert "    clip_range: clip of the probability ratio." in lines
    at = lines.index(
        "    bptt_length: learn on sequences of this many rows, from carries stored while acting; must divide"
    )
    assert lines[at + 1] == "        `rollout_length`. None means whole rollouts."
    # What is derived says it in its own words, and what others say of theirs stays.
    assert "    rollout_length: rows per environment between two updates." in lines
    assert "    seed: of the parameters and of all noise." in lines
    assert any(line.startswith("Source: Schulman") for line in lines)


def test_a_wrong_setting_is_still_named_as_the_agents():
    given = spaces.Discrete(2), spaces.Discrete(2), GRU
    sentence = "clip_range of PPO must be a number above 0, but got -1; set clip_range=0.2"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        agents.PPO(*given, clip_range=-1)
    with pytest.raises(TypeError, match="did you mean clip_range"):
        agents.PPO(*given, clip_rnge=1)
