"""The names of metrics in docs/logging.md are those that agents log."""

import json
import re
from pathlib import Path

import pytest

import engram

PAGE = Path(__file__).parents[1] / "docs" / "logging.md"
ON_POLICY = {"rollout_length": 16}
MINIBATCHES = ON_POLICY | {"num_minibatches": 2}
REPLAY = {
    "batch_size": 2,
    "batch_length": 8,
    "rollout_length": 16,
    "train_ratio": 1,
    "replay": {"prefill": 160},
}
WORLD_MODEL = {
    "units": 16,
    "memory_size": 16,
    "num_categoricals": 4,
    "batch_size": 2,
    "batch_length": 16,
    "rollout_length": 4,
    "train_ratio": 4,
    "replay": {"prefill": 100, "log_interval": 50},
}
AUXILIARY = {"auxiliary": {"reconstruction": {"coef": 0.1}, "self_prediction": {"coef": 0.1}}}
AGENTS = {
    "ppo": MINIBATCHES | AUXILIARY,
    "impala": ON_POLICY | AUXILIARY,
    "a2c": ON_POLICY,
    "pqn": MINIBATCHES | AUXILIARY,
    "r2d2": REPLAY | AUXILIARY,
    "sac": REPLAY,
    "r2i": WORLD_MODEL,
    "dreamerv3": WORLD_MODEL,
}


def names_of(agent):
    """Names that the page gives an agent: those that it always logs, and those under a condition."""
    always, sometimes = set(), set()
    for name, owners in re.findall(r"^\| `([a-zA-Z_]+/\w+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE):
        of, _, condition = owners.partition(", if ")
        if of == "all" or agent in of.split(", "):
            (sometimes if condition else always).add(name)
    return always, sometimes


@pytest.mark.parametrize(
    "agent", [name if name == "ppo" else pytest.param(name, marks=pytest.mark.slow) for name in AGENTS]
)
def test_every_name_that_an_agent_logs_is_on_the_page(agent, tmp_path):
    run = engram.train(
        agent={"name": agent, **AGENTS[agent]},
        core={"name": "gru", "hidden_size": 8},
        env={"name": "diagnostic/recall_first", "delay": 2},
        num_envs=4,
        total_env_steps=400,
        evaluation={"interval": 200, "episodes": 4, "num_envs": 2},
        logging={"to": [], "progress": False, "curve": False, "run_dir": tmp_path / "run"},
    )
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    logged = {name for line in lines for name in line} - {"env_steps", "hash"}
    always, sometimes = names_of(agent)
    assert len(always) > 10
    assert logged - (always | sometimes) == set() and always - logged == set()
