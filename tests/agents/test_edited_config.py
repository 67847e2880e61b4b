"""Edited options of a stored run: refused in one sentence that names config.yaml, or an agent that acts."""

import copy
import random
import warnings
from dataclasses import asdict
from functools import partial

import gymnasium.spaces as gs
import pytest
import torch
import yaml
from state_edits import WORDS, leaves, value_at
from tensordict import TensorDict

from engram import agents
from engram.agents.stored.loading import build_agent
from engram.agents.stored.spaces import spaces_text
from engram.memory_cores import GRU
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint
from engram.run_files.fixed_config import digest
from engram.run_files.progress import Progress
from engram.run_files.run_folder import checkpoint_path

# What a checkpoint says of a run that has only begun.
BEGUN = {"driver": {"env_steps": 0}, "progress": asdict(Progress())}

CONFIG = {
    "agent": {
        "_target_": "engram.agents.PPO",
        "_partial_": True,
        "gamma": 0.99,
        "optimizer": "adam",
        "bptt_length": None,
        "make_network": {
            "_target_": "engram.agents.ActorCritic",
            "_partial_": True,
            "head_hidden_sizes": [8],
            "make_encoder": {"_target_": "engram.agents.Encoder", "_partial_": True, "hidden_sizes": [8]},
        },
    },
    "core": {"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": 4},
    "env": {"_target_": "engram.envs.RecallFirst", "_partial_": True, "delay": 3},
    "seed": 0,
    "schedule_env_steps": 100,
}
ROW = TensorDict(
    {
        "obs": torch.zeros(1, dtype=torch.int64),
        "reward": torch.zeros(1),
        "prev_action": torch.zeros(1, dtype=torch.int64),
        "is_first": torch.tensor([True]),
    },
    batch_size=[1],
)


@pytest.fixture
def run_dir(tmp_path):
    """A run's folder as it was before there were manifests, with a checkpoint that has a digest."""
    config = copy.deepcopy(CONFIG)
    agent = agents.PPO(gs.Discrete(3), gs.Discrete(2), partial(GRU, hidden_size=4))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "spaces.json").write_text(spaces_text(agent))
    agent = build_agent(config, gs.Discrete(3), gs.Discrete(2), "cpu")
    checkpoint_path(tmp_path, "best").parent.mkdir()
    save_checkpoint(
        checkpoint_path(tmp_path, "best"), {"digest": digest(config), "agent": agent.state_dict(), **BEGUN}
    )
    return tmp_path


def load(run_dir, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no manifest
        return agents.load(run_dir, **options)


def test_every_edit_is_refused_by_name_or_an_agent(run_dir):
    generator = random.Random(5)
    places = list(leaves(CONFIG))
    refused = 0
    for _ in range(150):
        config = copy.deepcopy(CONFIG)
        path = generator.choice(places)
        node = value_at(config, path[:-1])
        if generator.random() < 0.15:
            del node[path[-1]]
        else:
            words = (
                "engram.agents.PPO",
                "engram.agents.Encoder",
                "engram.memory_cores.GRU",
                "engram.envs.RecallFirst",
                *WORDS,
            )
            node[path[-1]] = copy.deepcopy(generator.choice([word for word in words if word != 2**31]))
        (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
        try:
            agent = load(run_dir, trust_edited=True)
            agent.act(ROW, agent.initial_carry(1))
        except ValueError as error:
            assert str(run_dir) in str(error) and "\n" not in str(error), (path, error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{path}: {node} came to {error!r}") from error
    assert refused > 75


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("core", {}, r"core must be a description with a _target_ and _partial_: true, but got '\{\}'"),
        ("core", "GRU", r"core must be a description"),
        (
            "agent",
            {"_target_": "engram.agents.PPO"},
            r"agents\.PPO must be made from what it is given \(no arguments\)",
        ),
        ("agent", CONFIG["core"], "agent must be made from what it is given"),
        ("core", CONFIG["agent"], "core must be made from what it is given"),
        (
            "core",
            CONFIG["core"] | {"hidden_size": "x"},
            r"hidden_size of GRU must be a whole number",
        ),
        ("seed", [1], r"seed must be a whole number from 0 to 2\*\*63 - 1, but got \[1\]"),
        ("schedule_env_steps", 0, "schedule_env_steps must be a whole number of at least 1, but got 0"),
    ],
)
def test_the_option_and_its_file_are_named(run_dir, name, value, message):
    (run_dir / "config.yaml").write_text(yaml.safe_dump(CONFIG | {name: copy.deepcopy(value)}))
    with pytest.raises(ValueError, match=rf"{message}.*\(the options are those of .*config\.yaml\)"):
        load(run_dir)


@pytest.mark.parametrize("edit", [{"seed": 1}, {"env": CONFIG["env"] | {"delay": 4}}])
def test_a_checkpoint_of_another_seed_or_delay_is_refused_by_name(run_dir, edit):
    assert load(run_dir).num_updates == 0
    (run_dir / "config.yaml").write_text(yaml.safe_dump(CONFIG | edit))
    with pytest.raises(ValueError, match=r"best\.safetensors was saved with another configuration"):
        load(run_dir)
    assert load(run_dir, trust_edited=True).num_updates == 0


def test_a_checkpoint_of_another_core_is_refused_whatever_is_trusted(run_dir):
    core = CONFIG["core"] | {"hidden_size": 5}
    (run_dir / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"core": core}))
    with pytest.raises(
        ValueError, match=r"best\.safetensors does not fit: agent/network/.*: expected float32 \["
    ):
        load(run_dir, trust_edited=True)


def test_a_checkpoint_of_before_has_no_digest(run_dir):
    path = checkpoint_path(run_dir, "best")
    state = load_checkpoint(path)
    del state["digest"]
    save_checkpoint(path, state)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"seed": 1}))
    assert load(run_dir).num_updates == 0
