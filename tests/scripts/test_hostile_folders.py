"""Links in a folder that came from somebody else lead nowhere: nothing outside of it is read or overwritten."""

import os
import shutil

import pytest
import yaml

from engram import agents
from engram.api.results import write_results
from engram.command_line.resuming import store_changes
from engram.common.errors import UsageError
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint
from engram.run_files.logger import Logger
from engram.run_files.plain_files import check_plain, new_file, replace_file
from engram.run_files.run_lock import folder_lock
from engram.scripts.sweeps.launchers import start_trial
from run_files import TINY, assert_refused

# What a run's folder holds, or what commands write there.
NAMES = [
    *(
        "config.yaml",
        "config.yaml.tmp",
        "metrics.jsonl",
        "metrics.jsonl.tmp",
        "lock",
        "spaces.json",
        "sizes.json",
    ),
    *("versions.json", "command.json", "learning_curve.png", "evaluation", "evaluation/evaluation.json"),
    *("evaluation/evaluation.json.tmp", "evaluation/episode.mp4", "checkpoints/latest.safetensors"),
    *(
        "checkpoints/latest.safetensors.tmp",
        "checkpoints/best.safetensors",
        "tensorboard",
        "tensorboard/cut.tmp",
    ),
    *(
        "tensorboard/events.out.tfevents.0.x.0.0",
        "replay",
        "replay/reward.bin",
        "checkpoints",
        "a/b/c/anything",
    ),
]


@pytest.fixture
def mine(tmp_path):
    """A folder of the reader's own, whose files must stay as they are."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter").write_text("dear friend")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["letter"]
    assert (folder / "letter").read_text() == "dear friend"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["letter", ".", "missing"])
def test_a_link_in_a_run_is_refused_by_name(tmp_path, mine, name, target):
    run_dir = tmp_path / "run"
    (run_dir / name).parent.mkdir(parents=True)
    (run_dir / name).symlink_to(mine / target)
    with pytest.raises(ValueError, match="holds files and folders alone") as caught:
        agents.load(run_dir)
    assert str(run_dir / name) in str(caught.value)


def test_what_is_no_file_is_refused_and_what_is_one_is_not(tmp_path):
    run_dir = tmp_path / "run"
    (run_dir / "a" / "b").mkdir(parents=True)
    (run_dir / "a" / "b" / "file").write_text("")
    check_plain(run_dir)
    check_plain(tmp_path / "missing")
    (tmp_path / "linked").symlink_to(run_dir)
    check_plain(tmp_path / "linked")
    os.mkfifo(run_dir / "a" / "pipe")
    with pytest.raises(ValueError, match="a pipe, socket or device"):
        check_plain(run_dir)


def _save(path):
    save_checkpoint(path, {"a": 1}, keep_previous=True)
    assert load_checkpoint(path) == {"a": 1}


def _store(path):
    config = {"agent": {}, "core": {}, "env": {}, "seed": 0, "schedule_env_steps": 1}
    if not (path.is_symlink() and path.name == "config.yaml"):
        path.write_text(yaml.safe_dump(config))
        store_changes(path.parent, config | {"total_env_steps": 3, "schedule_env_steps": 4})


WRITERS = {
    "checkpoint.safetensors": _save,
    "evaluation.json": lambda path: write_results(path, {"mean": 1.0}),
    "config.yaml": _store,
    "text": lambda path: replace_file(path, "text"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("suffix", ["", ".tmp"])
def test_writers_replace_a_link_and_leave_what_it_points_to(tmp_path, mine, name, suffix):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / f"{name}{suffix}").symlink_to(mine / ("letter" if suffix else "missing"))
    WRITERS[name](folder / name)
    assert (folder / name).is_symlink() == ((name, suffix) == ("config.yaml", ""))  # which is not written to
    assert not (folder / f"{name}.tmp").is_symlink()


def test_what_is_appended_to_is_no_link(tmp_path, mine):
    for name in ("lock", "metrics.jsonl", "log"):
        (tmp_path / name).symlink_to(mine / "missing")
    with pytest.raises(UsageError, match="symbolic links"), folder_lock(tmp_path):
        pass
    with pytest.raises(OSError, match=r"metrics\.jsonl"):
        Logger(tmp_path, tensorboard=False)
    with pytest.raises(OSError, match=r"metrics\.jsonl"):
        Logger(tmp_path, resume_step=3, tensorboard=False)
    with pytest.raises(OSError, match="log"):
        start_trial([], str(tmp_path / "log"), 1, str(tmp_path))


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_file(tmp_path / "part") as file:
        file.write(b"some")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["metrics.jsonl.tmp", "evaluation", "checkpoints/latest.safetensors.tmp"])
def test_commands_refuse_a_run_with_links_and_leave_it(run, trained, tmp_path, mine, name):
    copied = shutil.copytree(trained, tmp_path / "copied")
    (copied / name).symlink_to(mine / ("." if name == "evaluation" else "letter"))
    for words in (
        ("train", f"resume={copied}", "total_env_steps=900"),
        ("evaluate", f"run={copied}", "episodes=2"),
    ):
        assert_refused(run(*words), "holds files and folders alone")


def test_a_sweep_refuses_a_folder_with_links(run, tmp_path, mine):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "recall_first").symlink_to(mine)
    result = run("sweep", *TINY, "env=diagnostic/recall_first", f"sweep.dir={tmp_path / 'sweep'}", "seed=0")
    assert_refused(result, "holds files and folders alone")
