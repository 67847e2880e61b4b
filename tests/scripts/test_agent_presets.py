"""World-model agents on the command line: every size composes, chooses its core and is accepted by the agent."""

import dataclasses
import re

import pytest
from omegaconf import OmegaConf
from small_cores import FILES, NAMES

from engram.agents.stored.build import build
from engram.agents.world_model.settings import DreamerSettings
from engram.command_line.config import compose_config
from engram.command_line.groups import group_options
from engram.common.errors import UsageError

SIZES = group_options("size")


def settings_of(values):
    arguments = {key: value for key, value in values["agent"].items() if not key.startswith("_")}
    of_the_run = {"total_env_steps", "seed", "device"}
    assert set(arguments) == {field.name for field in dataclasses.fields(DreamerSettings)} - of_the_run
    return DreamerSettings(**arguments)


@pytest.mark.parametrize("agent", ["r2i", "dreamerv3"])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_composes(agent, size):
    composed = compose_config("train", [f"agent={agent}", f"size={size}"])
    assert composed.choices["core"] == {"r2i": "r2i", "dreamerv3": "block_gru"}[agent]
    settings = settings_of(composed.values)
    core = build(composed.values["core"])
    width = composed.values["size"]["hidden_size" if agent == "r2i" else "recurrent_size"]
    assert core.keywords["hidden_size"] == width
    assert settings.posterior == {"r2i": "observation", "dreamerv3": "memory"}[agent]


@pytest.mark.parametrize("core", ["elman", "s5", "gtrxl"])
def test_any_core_goes_with_a_size(core):
    composed = compose_config("train", ["agent=r2i", "size=tiny", f"core={core}"])
    assert composed.choices["core"] == core
    assert composed.values["core"]["hidden_size"] == {"elman": 128, "s5": 64, "gtrxl": 128}[core]


@pytest.mark.parametrize("core", NAMES)
def test_what_a_core_takes_from_a_size_is_there(core):
    """Without a size it would silently have its own."""
    taken = set(re.findall(r"select:size\.(\w+)", FILES[core].read_text()))
    known = {"hidden_size", "recurrent_size", "state_size", "num_layers", "init", "state_scale", "blocks"}
    assert taken <= known
    sizes = {key: 3 for key in taken}
    composed = OmegaConf.create({"size": sizes, "core": OmegaConf.load(FILES[core])})
    assert list(OmegaConf.to_container(composed, resolve=True)["core"].values()).count(3) >= len(taken)


def test_without_a_size_cores_keep_their_own():
    core = compose_config("train", ["core=r2i"]).values["core"]
    assert (core["state_size"], core["blocks"]) == (256, 8)


@pytest.mark.parametrize(("size", "blocks"), [("tiny", 2), ("popgym", 8), ("memory_maze", 8)])
def test_small_stacks_have_few_blocks(size, blocks):
    """Blocks of four modes turn too slowly to tell neighbouring rows apart; the published sizes have eight."""
    assert compose_config("train", ["agent=r2i", f"size={size}"]).values["core"]["blocks"] == blocks


def test_a_world_model_needs_a_size():
    with pytest.raises(UsageError, match="A size belongs"):
        compose_config("train", ["agent=ppo", "size=tiny"])


def test_the_command_line_has_the_last_word():
    values = compose_config(
        "train", ["agent=r2i", "size=popgym", "agent.units=64", "core.state_size=16"]
    ).values
    assert (values["agent"]["units"], values["core"]["state_size"]) == (64, 16)
    assert values["agent"]["memory_size"] == 1024
