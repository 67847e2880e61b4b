"""`--help` lists every option of the agent, core and environment as composed, with its default."""

import pytest

from engram.agents.impala import IMPALASettings
from engram.agents.ppo.settings import PPOSettings
from engram.agents.pqn import PQNSettings
from engram.agents.r2d2 import R2D2Settings
from engram.agents.sac import SACSettings
from engram.agents.world_model.settings import DreamerSettings
from engram.command_line.config import compose_config
from engram.command_line.groups import CONFIG_DIR
from engram.command_line.help import argument_docs, help_text, read_comments
from engram.command_line.words import write_value
from engram.common.errors import UsageError


def leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        elif not key.startswith("_"):
            yield f"{prefix}{key}={write_value(value)}"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["core=s5", "num_envs=7"]),
        ("train", ["agent=r2i", "core=hcam", "env=gymnasium", "env.id=CartPole-v1"]),
        ("train", ["experiment=popgym_paper"]),
        ("sweep", []),
        ("tune", []),
    ],
)
def test_every_option_is_listed_with_its_value(command, words):
    shown = {line.split("  #")[0].strip() for line in help_text(command, words).splitlines()}
    expected = set(leaves(compose_config(command, words).values))
    assert len(expected) > 60
    assert expected <= shown


def test_what_a_file_does_not_list_takes_a_plus():
    text = help_text("train", ["core=hcam"])
    assert "  +core.make_inner.forget_bias=1.0        # Initial bias of the forget gate" in text
    assert "input_size" not in text


def test_what_must_be_given_is_named():
    assert "  env.id=<to be given>" in help_text("train", ["env=gymnasium"])


def test_a_wrong_word_is_refused_in_help_too():
    with pytest.raises(UsageError, match="core must be one of"):
        help_text("train", ["core=transformer"])


@pytest.mark.parametrize(
    ("agent", "settings"),
    [
        ("ppo", PPOSettings),
        ("impala", IMPALASettings),
        ("a2c", IMPALASettings),
        ("pqn", PQNSettings),
        ("r2d2", R2D2Settings),
        ("sac", SACSettings),
        ("r2i", DreamerSettings),
        ("dreamerv3", DreamerSettings),
    ],
)
def test_the_file_of_an_agent_lists_all_its_settings(agent, settings):
    listed = compose_config("train", [f"agent={agent}"]).values["agent"].keys()
    of_the_run = {"total_env_steps", "seed", "device"}
    assert settings.__dataclass_fields__.keys() - of_the_run <= listed


def test_comments_of_a_file():
    comments = read_comments(CONFIG_DIR / "agent" / "ppo.yaml")
    assert comments["gamma"] == "discount per step"
    assert comments["make_network.make_encoder.image_depth"] == "channels of its first convolution"


def test_comments_of_a_docstring():
    def make(first, second):
        """Make it.

        Args:
            first: what is
                first. And more.
            second: the other; e.g. this

        Returns:
            Nothing.
        """

    assert argument_docs(make) == {"first": "what is first", "second": "the other; e.g. this"}
    assert argument_docs(None) == {}
