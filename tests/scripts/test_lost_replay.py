"""A run whose replay is lost goes on from its weights, and says that it is no exact continuation."""

import shutil

import pytest
import torch
from test_replay_runs import AGENT_FOLDER, ALLOW, TINY_REPLAY

from run_files import assert_refused, checkpoint_tensors, checkpoint_values, metric_lines, snapshot


@pytest.fixture(scope="module")
def ended(run, tmp_path_factory):
    """A function that makes a copy of a run that ended after 500 steps, without its replay."""
    folder = tmp_path_factory.mktemp("ended")
    words = (*TINY_REPLAY, "total_env_steps=500", ALLOW, f"logging.runs_dir={folder / 'runs'}")
    made = run("train", *words, path=[AGENT_FOLDER])
    assert made.code == 0, made.err

    def copy(name):
        copied = shutil.copytree(made.run_dir, folder / name)
        shutil.rmtree(copied / "replay")
        return copied

    return copy


def go_on(run, run_dir, *words, steps=1000):
    return run("train", f"resume={run_dir}", f"total_env_steps={steps}", *words, ALLOW, path=[AGENT_FOLDER])


def test_it_learns_on_once_its_replay_is_filled_anew(run, ended):
    lost = ended("lost")
    before = checkpoint_values(lost)
    result = go_on(run, lost, "resume_from=weights")
    assert result.code == 0, result.err
    sentence = (
        "not an exact continuation: the replay of the first 512 steps is lost, and nothing is learnt until"
    )
    assert sentence in result.err
    after = checkpoint_values(lost)
    # Rows since then alone, and of them 100 before the next update, as at the run's beginning.
    assert after["replay"]["num_steps"] < 600 and after["replay"]["num_batches"] > 20
    learnt = after["agent"]["num_updates"] - before["agent"]["num_updates"]
    assert learnt == after["replay"]["num_batches"]
    begun = [line["replay/begun_anew_at"] for line in metric_lines(lost) if "replay/begun_anew_at" in line]
    assert [float(value) for value in begun] == [512.0]


def test_from_there_on_it_is_as_exact_as_any_run(run, ended):
    """In two parts or in one, from the same weights."""
    whole, parted = ended("whole"), ended("parted")
    assert go_on(run, whole, "resume_from=weights").code == 0
    assert go_on(run, parted, "resume_from=weights", steps=750).code == 0
    second = go_on(run, parted)
    assert second.code == 0 and "not an exact continuation" not in second.err
    got, expected = checkpoint_tensors(parted), checkpoint_tensors(whole)
    learnt = [key for key in expected if key.startswith("agent")]
    assert len(learnt) > 5 and all(torch.equal(got[key], expected[key]) for key in learnt)


def test_without_the_word_nothing_is_filled(run, ended):
    lost = ended("refused")
    before = snapshot(lost)
    assert_refused(
        go_on(run, lost), r"row\+obs\.bin is missing .* fill the replay anew with resume_from=weights"
    )
    assert snapshot(lost) == before


def test_what_has_no_replay_to_lose_is_told_so(run, trained, ended, tmp_path):
    copied = shutil.copytree(trained, tmp_path / "ppo")
    words = (f"resume={copied}", "total_env_steps=100000", "resume_from=weights")
    assert_refused(run("train", *words), "expected an agent that has one .* PPO, which goes on exactly")
    new = (*TINY_REPLAY, ALLOW, "resume_from=weights", f"logging.runs_dir={tmp_path / 'none'}")
    assert_refused(
        run("train", *new, path=[AGENT_FOLDER]), "expected resume=<its folder> beside resume_from=weights"
    )
    assert not (tmp_path / "none").exists()
    odd = go_on(run, ended("odd"), "resume_from=nothing")
    assert_refused(odd, "resume_from must be one of checkpoint, weights, but got 'nothing'")
