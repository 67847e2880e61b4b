"""Tiny runs from Python, shared by the tests of this folder."""

import json

from safetensors.torch import load_file

QUIET = {"logging": {"progress": False, "curve": False, "to": []}}
TINY = {
    "core": {"name": "gru", "hidden_size": 8},
    "agent": {
        "rollout_length": 16,
        "num_minibatches": 2,
        "num_epochs": 1,
        "make_network": {"head_hidden_sizes": [16], "make_encoder": {"hidden_sizes": [16]}},
    },
    "env": {"name": "diagnostic/recall_first", "delay": 2},
    "num_envs": 4,
    "total_env_steps": 400,
    "evaluation": {"interval": 200, "episodes": 4, "num_envs": 2},
}
TIMES = ("charts/SPS", "time/collect_seconds", "time/update_seconds")


def lines(run):
    """A run's metrics, without what the clock says and the hashes."""
    found = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in (*TIMES, "hash")} for line in found]


def weights(run, checkpoint="latest"):
    """All tensors of a checkpoint."""
    return load_file(run.path / "checkpoints" / f"{checkpoint}.safetensors")


def same_weights(one, other):
    """Whether two runs stand at the same place, to the bit."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all((a[key] == b[key]).all() for key in a)
