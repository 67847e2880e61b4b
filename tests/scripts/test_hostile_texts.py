"""The texts of a folder or an archive are data: YAML tags, spaces, manifests and names in a ZIP file do nothing."""

import json
import zipfile

import pytest
import yaml
from hostile_descriptions import watched
from synthetic_runs import QUICK, write_run

import engram.agents.stored.build
from engram.agents.stored.spaces import read_spaces
from engram.analysis.folders import find_run_folders
from engram.common.errors import UsageError
from engram.run_files.run_folder import read_config
from engram.scripts import plot
from engram.scripts.sweeps.manifest import read_manifest

TAGS = [
    "!!python/object/apply:os.system ['touch TRACE']",
    "!!python/object/apply:subprocess.call [[touch, TRACE]]",
    "!!python/object/new:os.system ['touch TRACE']",
    "!!python/object:agents.PPO {}",
    "!!python/name:os.system ''",
    "!!python/module:hostile_payload ''",
    "!!python/tuple [1]",
    "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch TRACE']",
    "!include /etc/hostname",
    "!ENV ${HOME}",
    "!custom {_target_: os.system}",
]
KINDS = [
    "os.system",
    "engram.agents.load",
    "__class__",
    "gymnasium.spaces.Discrete",
    "",
    3,
    None,
    ["discrete"],
    {"a": 1},
]


@pytest.fixture
def trace(tmp_path):
    """Where a hostile text would leave its trace."""
    yield tmp_path / "trace"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("tag", TAGS)
def test_yaml_tags_are_refused(tmp_path, trace, tag):
    text = tag.replace("TRACE", str(trace))
    (tmp_path / "config.yaml").write_text(f"agent: {text}\ncore: 1\nenv: 1\nseed: 0\nschedule_env_steps: 1\n")
    (tmp_path / "sweep.yaml").write_text(f"axes: {text}\noptions: {{}}\ntrials: []\n")
    with watched() as seen:
        with pytest.raises(ValueError, match=r"config\.yaml is not; the file is damaged"):
            read_config(tmp_path)
        with pytest.raises(UsageError, match=r"sweep\.yaml does not; it is damaged"):
            read_manifest(tmp_path)
    assert not seen


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_of_another_kind_are_refused(tmp_path, trace, kind):
    evil = {"kind": kind, "n": 3, "_target_": "os.system", "command": f"touch {trace}"}
    nested = {"kind": "Tuple", "parts": [evil]}
    for space in (evil, nested, {"kind": "Dict", "parts": [["../x", evil]]}):
        description = {"format": 1, "observation_space": space, "action_space": {"kind": "Discrete", "n": 2}}
        (tmp_path / "spaces.json").write_text(json.dumps(description))
        with watched() as seen, pytest.raises(ValueError, match="space"):
            read_spaces(tmp_path)
        assert not seen


def test_a_report_builds_nothing_and_writes_into_its_folder_alone(tmp_path, trace, monkeypatch):
    evil = {"_target_": "os.system", "command": f"touch {trace}", "_args_": ["${oc.env:HOME}"]}
    run_dir = write_run(tmp_path / "runs", name="0-x")
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config | {"core": evil, "allow": ["os", "posix"]}))
    names = ["../escaped", "/absolute", "a/../../up", "good", "a\\..\\b", "-rf", "$(touch x)", "${HOME}"]
    with zipfile.ZipFile(tmp_path / "runs" / "runs.zip", "w") as archive:
        for name in names:
            for file in ("config.yaml", "versions.json", "metrics.jsonl", "sizes.json"):
                archive.writestr(f"{name}/{file}", (run_dir / file).read_text())

    def refuse(*arguments):
        raise AssertionError("a report builds nothing")

    monkeypatch.setattr(engram.agents.stored.build, "find_target", refuse)
    monkeypatch.setattr(engram.agents.stored.build, "build", refuse)
    before = {path for path in tmp_path.rglob("*")}
    archive, output = tmp_path / "runs" / "runs.zip", tmp_path / "report"
    folders, skipped = find_run_folders([str(archive)])
    assert [str(one).removeprefix(f"{archive}/") for one in folders] == [
        "$(touch x)",
        "${HOME}",
        "-rf",
        "good",
    ]
    assert {one.reason for one in skipped} == {"its name leads out of the archive"} and len(skipped) == 4
    plot.main([f"runs=[{tmp_path / 'runs'},{archive}]", f"output={output}", *QUICK])
    after = {path for path in tmp_path.rglob("*")} - before
    assert after == {output, *(output / name for name in ("index.html", "results.json", "scores.csv"))}
