"""Runs that ended before their first checkpoint, or between two, keep their place and hide no other."""

import os
import shutil

import pytest

from engram.common.errors import UsageError
from engram.run_files.find_run import newest_run, unfinished_run
from engram.run_files.manifest import write_texts
from engram.run_files.names import TEXT_FILES
from engram.run_files.run_folder import stored_config
from engram.run_files.run_lock import folder_lock
from engram.run_files.unbegun import is_unbegun
from engram.training.new_run import make_given_dir
from run_files import TINY, assert_refused, assert_same_run


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of a finished run, an hour old, and a configuration by which it is at two thirds."""
    folder = tmp_path / "runs" / "older"
    shutil.copytree(trained, folder)
    os.utime(folder / "config.yaml", (0, 0))
    config = stored_config(folder)
    config |= {"total_env_steps": 900, "logging": config["logging"] | {"runs_dir": str(tmp_path / "runs")}}
    return folder, config


def begin(source, folder):
    """Make a folder as it is when a run ends before its first checkpoint."""
    (folder / "checkpoints").mkdir(parents=True)
    for name in TEXT_FILES:
        shutil.copy(source / name, folder)
    write_texts(folder, {name: (folder / name).read_text() for name in TEXT_FILES})
    (folder / "checkpoints" / "latest.safetensors.tmp").write_text("half of")
    return folder


def test_between_two_renames_the_previous_checkpoint_stands_for_the_run(copied):
    folder, config = copied
    latest = folder / "checkpoints" / "latest.safetensors"
    latest.replace(latest.with_suffix(".previous.safetensors"))
    with pytest.warns(UserWarning, match=r"latest\.safetensors is missing. The previous one is used"):
        assert unfinished_run(config) == folder
    assert not is_unbegun(folder)


def test_a_run_that_has_lost_its_checkpoints_or_its_configuration_is_passed_over_by_name(copied):
    folder, config = copied
    for path in (folder / "checkpoints").glob("latest*"):
        path.unlink()
    with pytest.warns(UserWarning, match=rf"{folder.name} is passed over: it has no checkpoint left"):
        assert unfinished_run(config) is None
    (folder / "config.yaml").unlink()
    with pytest.warns(UserWarning, match=rf"{folder.name} is passed over: its config\.yaml is missing"):
        assert unfinished_run(config) is None


def test_what_has_no_checkpoint_or_is_damaged_hides_no_other(copied):
    folder, config = copied
    newer, damaged = begin(folder, folder.parent / "newer"), folder.parent / "damaged"
    damaged.mkdir()
    (damaged / "config.yaml").write_text("seed: [")
    with pytest.warns(UserWarning, match=r"The run .*/damaged is passed over: .*config\.yaml .* damaged"):
        assert unfinished_run(config) == folder
    assert newest_run(folder.parent) != newer
    shutil.rmtree(folder)
    shutil.rmtree(damaged)
    assert unfinished_run(config) == newer and newest_run(folder.parent) == newer
    with folder_lock(newer):  # it is just beginning
        assert unfinished_run(config) is None


def test_a_folder_that_is_named_is_the_only_one_looked_at(copied):
    folder, config = copied
    other = begin(folder, folder.parent.parent / "elsewhere")
    config["logging"]["run_dir"] = str(other)
    assert unfinished_run(config) == other
    config["logging"]["run_dir"] = str(folder.parent / "new")
    assert unfinished_run(config) is None


def test_a_run_without_a_checkpoint_begins_anew_in_its_folder(run, trained, tmp_path):
    folder = begin(trained, tmp_path / "run")
    result = run("train", f"resume={folder}")
    assert result.code == 0, result.err
    assert result.err.splitlines()[0] == f"note: {folder} holds no checkpoint yet; its run begins anew there"
    assert_same_run(folder, trained)


def test_a_run_whose_checkpoints_were_removed_keeps_its_metrics(run, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    shutil.rmtree(folder / "checkpoints")
    metrics = (folder / "metrics.jsonl").read_bytes()
    assert_refused(
        run("train", f"resume={folder}"), "neither .*latest.safetensors nor the one before it exists; put"
    )
    assert (folder / "metrics.jsonl").read_bytes() == metrics


def test_a_folder_with_nothing_to_lose_is_taken(tmp_path):
    for name in ("empty", "killed"):
        (tmp_path / name).mkdir()
    (tmp_path / "killed" / "replay").mkdir()
    (tmp_path / "killed" / "replay" / "row+reward.bin").touch()
    (tmp_path / "killed" / "command.json").touch()
    for name in ("empty", "killed", "new"):
        assert make_given_dir(tmp_path / name) == tmp_path / name
        assert (tmp_path / name / "checkpoints").is_dir() and not (tmp_path / name / "replay").exists()
    (tmp_path / "empty" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"exists; give another logging\.run_dir\.$"):
        make_given_dir(tmp_path / "empty")
    (tmp_path / "killed" / "config.yaml").touch()
    with pytest.raises(UsageError, match="or continue it with resume="):
        make_given_dir(tmp_path / "killed")


def test_unfinished_begins_a_named_folder_anew(run, trained, tmp_path):
    folder = begin(trained, tmp_path / "run")
    words = (
        *TINY,
        f"logging.run_dir={folder}",
        f"logging.runs_dir={trained.parents[3]}",
        "resume=unfinished",
    )
    result = run("train", *words)
    assert result.code == 0 and result.run_dir == folder, result.err
    assert_same_run(folder, trained)
