"""Edited checkpoints whose checksums fit: refused by name, or loaded and acted on; nothing else ever comes of one."""

import copy
import random
import shutil
import sys
import warnings
from pathlib import Path

import pytest

from engram.run_files.checkpoint import load_checkpoint, save_checkpoint
from engram.run_files.run_folder import checkpoint_path, read_config
from engram.training.session import Session
from run_files import RECALL, TINY, TINY_WORLD_MODEL

sys.path.append(str(Path(__file__).resolve().parents[1] / "agents"))
from state_edits import edited

QUIET = ("evaluation.interval=null", "logging.progress=false", "logging.curve=false")
CASES = {
    "ppo": (*TINY, *RECALL, "core=gru", "core.hidden_size=4", "total_env_steps=100", "agent.optimizer=muon"),
    "sync": (*TINY, "env=gymnasium", "env.id=CartPole-v1", "core=hcam", "total_env_steps=100"),
    "world model": (
        *TINY_WORLD_MODEL,
        "env=popgym/autoencode_easy",
        "agent.train_ratio=1",
        "total_env_steps=200",
        "agent.replay.prefill=100",
        "agent.replay.capacity_bytes=20_000",
    ),
}


@pytest.fixture(scope="module", params=CASES)
def stored(request, run, tmp_path_factory):
    """A finished run's folder and the state of its last checkpoint."""
    run_dir = tmp_path_factory.mktemp("edited") / "run"
    result = run("train", *CASES[request.param], *QUIET, f"logging.run_dir={run_dir}")
    assert result.code == 0, result.err
    return run_dir, load_checkpoint(checkpoint_path(run_dir, "latest"))


def resume(run_dir):
    """Continue as a command does, to the first update."""
    session = Session.build({**read_config(run_dir), "allow": []})
    try:
        session.resume(run_dir)
        agent, before = session.agent, session.driver.env_steps
        rollout = session.driver.collect(agent.policy(before), agent.rollout_length)
        next(iter(agent.updates(rollout, before)), None)
        session.record.add_rollout(rollout, 1.0)
        session.record.take(session.driver.env_steps)
    finally:
        session.close()


@pytest.mark.parametrize("edits", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_edits_are_refused_by_name_or_harmless(stored, tmp_path, edits):
    source, state = stored
    run_dir = shutil.copytree(source, tmp_path / "run")
    path = checkpoint_path(run_dir, "latest")
    outcomes = {"refused": 0, "went on": 0, "stopped": 0}
    generator = random.Random(edits)
    for number in range(edits):
        other, words = edited(state, generator)
        save_checkpoint(path, other)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                resume(run_dir)
            outcomes["went on"] += 1
        except FloatingPointError:
            outcomes["stopped"] += 1  # by the sentence that names the first tensor that went bad
        except ValueError as error:
            assert str(run_dir) in str(error) and "\n" not in str(error), (number, words, error)
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"edit {number}, {words}, came to {error!r}") from error
    assert outcomes["refused"] > edits // 2 and outcomes["stopped"] < edits // 8, outcomes


def test_an_unedited_state_goes_on(stored):
    source, state = stored
    save_checkpoint(checkpoint_path(source, "latest"), copy.deepcopy(state))
    resume(source)
