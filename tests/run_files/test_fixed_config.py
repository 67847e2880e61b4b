"""What a continued run keeps of its configuration, as one number."""

import dataclasses
import sys

import pytest
import yaml

from engram import agents
from engram.run_files.fixed_config import LEARNING, digest, fixed_part

CONFIG = {
    "agent": {"_target_": "engram.agents.PPO", "learning_rate": 3e-4, "gamma": 0.99},
    "core": {"_target_": "engram.memory_cores.GRU", "hidden_size": 8},
    "env": {"_target_": "engram.envs.RecallFirst", "delay": 4},
    "seed": 0,
    "total_env_steps": 600,
    "evaluation": {"interval": 200},
    "logging": {"runs_dir": "runs"},
    "checkpoint": {"interval": 200},
    "allow": [],
}


def changed(name, value):
    *groups, key = name.split(".")
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    node = config
    for group in groups:
        node = node[group]
    node[key] = value
    return config


@pytest.mark.parametrize(
    "name",
    [
        "agent.learning_rate",
        "total_env_steps",
        "schedule_env_steps",
        "logging.runs_dir",
        "checkpoint",
        "allow",
    ],
)
def test_what_may_change_leaves_the_digest(name):
    assert digest(changed(name, "other")) == digest(CONFIG)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("env.delay", 5),
        ("core.hidden_size", 9),
        ("agent.gamma", 0.9),
        ("evaluation.interval", 1),
    ],
)
def test_what_a_run_keeps_changes_the_digest(name, value):
    assert digest(changed(name, value)) != digest(CONFIG)


def test_an_option_that_the_run_did_not_have_yet_is_its_default():
    assert digest(changed("evaluation.max_episode_steps", 10_000)) == digest(CONFIG)
    assert digest(changed("evaluation.max_episode_steps", 20_000)) != digest(CONFIG)


def test_the_order_of_keys_does_not_count():
    assert digest(dict(reversed(CONFIG.items()))) == digest(CONFIG)
    assert fixed_part(
        CONFIG, ("agent", "core", "env", "checkpoint.interval", "evaluation.interval", "logging")
    ) == {
        "seed": 0,
        "total_env_steps": 600,
        "evaluation": {},
        "checkpoint": {},
        "allow": [],
    }


def test_how_many_actors_there_are_may_change_and_how_old_their_rows_are_may_not():
    def with_actors(**given):
        actors = {"count": 2, "mode": "lockstep", "lag": None, "address": None} | given
        return CONFIG | {"sampler": "local" if actors["lag"] is None else "ray", "actors": actors}

    assert digest(with_actors()) == digest(with_actors(count=8, address="auto")) == digest(CONFIG)
    assert digest(with_actors(lag=1)) == digest(with_actors(lag=1, count=8, address="auto"))
    assert len({digest(with_actors(lag=lag)) for lag in (None, 0, 1)}) == 3


@pytest.mark.parametrize("kind", ["PPO", "IMPALA", "PQN", "R2D2", "SAC", "Dreamer"])
def test_a_continued_run_may_have_other_rates(kind):
    """Whatever an agent calls a learning rate: none of them is a part of what it has learnt."""
    options = getattr(sys.modules[getattr(agents, kind).__module__], f"{kind}Settings")
    rates = [field.name for field in dataclasses.fields(options) if "learning_rate" in field.name]
    assert {"learning_rate", "learning_rate_schedule"} <= set(rates)
    assert {f"agent.{name}" for name in rates} <= set(LEARNING)
