"""Runs that were edited or damaged are refused by name by every command; `trust_edited=true` takes them."""

import shutil
import warnings
import zipfile
from pathlib import Path

import pytest

from engram import agents
from engram.analysis.folders import find_run_folders
from engram.analysis.runs import Run, read_run
from engram.common.errors import UsageError
from engram.run_files.find_run import unfinished_run
from engram.run_files.manifest import check_texts, read_manifest, stream_run_metrics
from engram.run_files.metrics_log import read_metrics
from engram.run_files.run_folder import stored_config
from engram.run_files.sealed_json import EditedFileError
from engram.scripts import evaluate, plot, train
from engram.scripts.sweeps.trial_state import stored_state
from run_files import snapshot

HERE = Path(__file__).parent


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of a finished run, to be spoilt."""
    return shutil.copytree(trained, tmp_path / "runs" / "copied")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def spoil(line):
    """Make something else of the third line of metrics."""

    def change(run_dir):
        path = run_dir / "metrics.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        lines[2:3] = line(lines[2])
        path.write_bytes(b"".join(lines))

    return change


LOGS = {
    "torn": (spoil(lambda line: [line[:20] + b"\n"]), "line 3 is not JSON in UTF-8"),
    "no UTF-8": (spoil(lambda line: [b"\xff" + line]), "line 3 is not JSON in UTF-8"),
    "edited": (
        spoil(lambda line: [line.replace(b"charts/SPS", b"charts/SPs")]),
        "line 3 is not what was written after the line before it",
    ),
    "lost": (spoil(lambda line: []), "line 3 is not what was written after the line before it"),
    "removed": (
        lambda run_dir: (run_dir / "metrics.jsonl").unlink(),
        "it has 0 whole lines, but 10 were written",
    ),
}


@pytest.mark.parametrize("kind", LOGS)
def test_a_damaged_log_is_one_sentence_and_goes_on_if_it_is_trusted(copied, kind):
    damage, expected = LOGS[kind]
    damage(copied)
    before = {path: content for path, content in snapshot(copied).items() if path.name != "lock"}
    with pytest.raises(
        UsageError, match=rf"metrics\.jsonl was edited or damaged since: {expected}.*trust_edited=true"
    ):
        train.main([f"resume={copied}"])
    after = snapshot(copied)
    assert {path: after[path] for path in before} == before
    with pytest.warns(UserWarning, match=f"{expected}; it is taken as it is"):
        train.main([f"resume={copied}", "trust_edited=true"])
    assert read_manifest(copied).edited == ("metrics.jsonl",)
    left = {"torn": 9, "no UTF-8": 9, "edited": 10, "lost": 9, "removed": 0}[kind]
    assert len(list(stream_run_metrics(copied))) == left
    train.main([f"resume={copied}"])  # which is whole again


def test_lines_after_the_checkpoint_are_written_again_whatever_they_hold(copied):
    whole = read_metrics(copied / "metrics.jsonl")
    with (copied / "metrics.jsonl").open("ab") as file:
        file.write(b'{"env_steps": 700, "x": 1}\n\xff\xfe\n{"env_st')
    train.main([f"resume={copied}"])
    assert read_metrics(copied / "metrics.jsonl") == whole


def test_an_edited_configuration_is_refused_by_every_command(copied, tmp_path, capsys):
    config = stored_config(copied) | {"total_env_steps": 900}
    config["logging"] |= {"runs_dir": str(copied.parent)}
    edit(copied / "config.yaml", "gamma: 0.95", "gamma: 0.9")
    named = r"config\.yaml was edited, damaged or removed since"
    with pytest.raises(UsageError, match=rf"{named}; .*trust_edited=true"):
        train.main([f"resume={copied}"])
    with pytest.raises(UsageError, match=named):
        evaluate.main([f"run={copied}", "episodes=2"])
    with pytest.raises(EditedFileError, match=named):
        agents.load(copied)
    with pytest.warns(UserWarning, match=f"is passed over: .*{named}"):
        assert unfinished_run(config) is None
    assert not stored_state(copied).finished
    with pytest.raises(UsageError, match=r"none of 1"):
        plot.main([f"runs={copied}", f"output={tmp_path / 'report'}", "figures=false"])


def test_an_edited_run_is_taken_by_every_command_if_it_is_trusted(copied, tmp_path, capsys):
    edit(copied / "config.yaml", "gamma: 0.95", "gamma: 0.9")
    named = r"config\.yaml was edited.*it is taken as it is"
    with pytest.warns(UserWarning, match=named):
        agents.load(copied, trust_edited=True)
    with pytest.warns(UserWarning, match=named):
        evaluate.main([f"run={copied}", "episodes=2", "num_envs=2", "trust_edited=true"])
    with pytest.warns(UserWarning, match=named):
        assert stored_state(copied, trust_edited=True).finished
    with pytest.warns(UserWarning, match=named):
        assert isinstance(read_run(copied, trust_edited=True), Run)


def test_a_checkpoint_copied_over_another_is_named(copied):
    best, latest = (copied / "checkpoints" / f"{name}.safetensors" for name in ("best", "latest"))
    shutil.copy(best, latest)
    with pytest.raises(
        UsageError, match=r"latest\.safetensors holds the checkpoint 'best', copied over 'latest'"
    ):
        train.main([f"resume={copied}"])
    with pytest.raises(EditedFileError, match="copied over 'latest'"):
        agents.load(copied, "latest")
    with pytest.warns(UserWarning, match="copied over 'latest'"):
        agents.load(copied, "latest", trust_edited=True)


@pytest.fixture
def of_before(tmp_path):
    """A run of 408 steps that was trained before there were manifests, and evaluated."""
    folder = tmp_path / "of_before"
    with zipfile.ZipFile(HERE / "run_of_before.zip") as archive:
        archive.extractall(folder)
    return folder


def test_a_run_of_before_is_loaded_evaluated_and_compared(of_before, tmp_path, capsys):
    warned = r"of_before was written before runs had a manifest\.json"
    with pytest.warns(UserWarning, match=warned):
        assert agents.load(of_before).act is not None
    words = ["episodes=4", "num_envs=2", f"output={tmp_path / 'out'}", f"against={of_before}"]
    with pytest.warns(UserWarning, match=warned):
        evaluate.main([f"run={of_before}", *words])
    assert "difference from" in capsys.readouterr().out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(read_run(of_before), Run)
    assert stored_state(of_before).finished


def test_a_run_of_before_goes_on_and_has_a_manifest_then(of_before):
    lines = read_metrics(of_before / "metrics.jsonl")
    with (of_before / "metrics.jsonl").open("a") as file:
        file.write('{"env_steps": 500, "torn')
    with pytest.warns(UserWarning, match="was written before"):
        train.main([f"resume={of_before}", "total_env_steps=600"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_texts(of_before) == []
        again = list(stream_run_metrics(of_before))
        assert again[: len(lines)] == lines
        assert [row["env_steps"] for row in again[len(lines) :]] == [460, 512, 560, 612]
        assert stored_config(of_before)["total_env_steps"] == 600
        assert read_manifest(of_before).metrics.lines == len(again) and read_manifest(of_before).edited == ()
        train.main([f"resume={of_before}", "total_env_steps=650"])


@pytest.mark.parametrize("name, count", [("core_comparison_matched", 60), ("recall", 30)])
def test_published_archives_of_before_are_read_without_a_word(name, count):
    archive = Path(__file__).resolve().parents[2] / "docs" / "reports" / name / "runs.zip"
    folders, skipped = find_run_folders([str(archive)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not skipped and sum(isinstance(read_run(folder), Run) for folder in folders) == count
