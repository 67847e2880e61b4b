"""What a command answers instead of running: short and whole help, the composed configuration, Hydra's multirun."""

import pytest
import yaml

from engram.command_line.config import compose_config
from engram.command_line.flags import answer
from engram.command_line.groups import GROUPS, group_options
from engram.common.errors import UsageError


def test_short_help_names_every_choice_in_a_page():
    text = answer("train", ["--help"])
    assert len(text.splitlines()) < 50 and max(map(len, text.splitlines())) <= 130
    for group in GROUPS:
        block = text.split(f"\n{group}=\n")[1].split("\n\n")[0].replace("\n    ", " ")
        named = set()
        for line in block.splitlines():
            names, _, endings = line.strip().partition(", ")
            folder, _, rest = names.rpartition("/  ")
            stems = [f"{folder}/{name}" if folder else name for name in rest.split()]
            assert bool(endings.startswith("each also with")) == bool(endings and len(stems) > 1)
            endings = [word for word in endings.split() if word.startswith("_")]
            named |= {stem + ending for stem in stems for ending in ("", *endings)}
        assert named == set(group_options(group)), group
    assert text.splitlines()[0] == "usage: engram train [group=option] [key=value] …"
    assert "engram train agent=ppo core=s5" in text and "engram train --help all" in text
    assert "num_envs" not in text


def test_short_help_lists_the_options_of_what_is_chosen():
    text = answer("train", ["core=hcam", "-h"])
    assert "Options of core=hcam:" in text and "core.chunk_length=" in text
    assert "Options of agent" not in text and "engram train core=hcam --help all" in text


def test_the_whole_help():
    text = answer("train", ["--help", "all", "core=hcam"])
    for part in ("core.chunk_length=", "num_envs=64", "agent.gamma=0.95", "Options of env="):
        assert part in text
    assert answer("plot", ["--help"]) == answer("plot", ["--help", "all"])


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-c", "job"], ["--cfg=job"]])
def test_the_configuration_of_a_job(flags):
    shown = yaml.safe_load(answer("train", [*flags, "core=gru", "seed=3"]))
    assert shown == compose_config("train", ["core=gru", "seed=3"]).values
    assert yaml.safe_load(answer("evaluate", flags))["run"] == "???"


def test_mistakes():
    with pytest.raises(UsageError, match=r"command of their own: engram sweep core=gru,s5 seed=0\.\.4\."):
        answer("train", ["--multirun", "core=gru,s5", "seed=0..4"])
    for words in (["--cfg"], ["--cfg", "hydra"], ["--cfg=all"]):
        with pytest.raises(UsageError, match="write --cfg job"):
            answer("train", words)
    with pytest.raises(UsageError, match="core must be one of"):
        answer("train", ["--help", "core=transformer"])
    assert answer("train", ["core=gru"]) is None
