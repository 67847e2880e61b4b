"""Evaluations, sweeps' manifests and small files that were edited or damaged are named; those of before are read."""

import json
import re
from dataclasses import replace

import pytest
import yaml

from engram.analysis.pairing import read_against
from engram.api.results import write_results
from engram.common.errors import UsageError
from engram.run_files.sealed_json import EditedFileError, sealed
from engram.scripts.sweeps.grid import make_trials
from engram.scripts.sweeps.loop import FINISHED, read_statuses
from engram.scripts.sweeps.manifest import MANIFEST_FILE, read_manifest, update_manifest
from engram.scripts.sweeps.plan import make_plan
from engram.scripts.sweeps.summary import summary_lines
from engram.scripts.sweeps.trial_state import running_state

PLAYED = {"env": {"delay": 3}, "episodes": 3, "num_envs": 2, "seed": 0}


@pytest.fixture
def evaluation(tmp_path, capsys):
    path = tmp_path / "evaluation.json"
    write_results(path, {"mean": 2.0, "played": PLAYED, "returns": [1.0, 2, 3.0]})
    return path


def test_an_evaluation_is_read_back(evaluation):
    assert read_against(str(evaluation), PLAYED) == (evaluation, [1.0, 2.0, 3.0])
    stored = json.loads(evaluation.read_text())
    assert stored.pop("checksum") == sealed(stored)["checksum"]
    evaluation.write_text(json.dumps(stored))  # as versions before wrote it
    assert read_against(str(evaluation), PLAYED)[1] == [1.0, 2.0, 3.0]


def test_an_edited_evaluation_is_named(evaluation):
    evaluation.write_text(evaluation.read_text().replace("3.0", "4.0"))
    with pytest.raises(EditedFileError, match=r"evaluation\.json was edited or damaged since"):
        read_against(str(evaluation), PLAYED)
    with pytest.warns(UserWarning, match="taken as it is"):
        assert read_against(str(evaluation), PLAYED, trust_edited=True)[1] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "returns", [[1.0], [1.0] * 4, [], ["1", "2", "3"], [True] * 3, [None] * 3, [[1.0]] * 3, 3, None]
)
def test_returns_of_another_shape_are_named(evaluation, returns):
    evaluation.write_text(json.dumps({"played": PLAYED, "returns": returns}))
    with pytest.raises(UsageError, match=r"evaluation\.json (has \d of 3 episodes|is none)"):
        read_against(str(evaluation), PLAYED)


@pytest.mark.parametrize(
    "text", ["", "[1]", "3", "null", "{", '{"returns": [1]}', '{"returns": [1], "played": 3}', "[" * 3000]
)
def test_what_is_no_evaluation_is_named(evaluation, text):
    evaluation.write_text(text)
    with pytest.raises(UsageError, match="against must name an evaluation"):
        read_against(str(evaluation), PLAYED)


@pytest.fixture
def sweep(tmp_path):
    words = ["core=mlp,gru", "env=diagnostic/recall_first", f"dir={tmp_path}", "seed=0..1", "agent.gamma=0.5"]
    plan = make_plan(words)
    update_manifest(plan)
    return tmp_path / MANIFEST_FILE, plan


def test_every_lost_line_of_a_sweeps_manifest_is_noticed(sweep):
    path, plan = sweep
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) > 40
    for number in range(1, len(lines)):  # the first is a comment
        path.write_text("".join(lines[:number] + lines[number + 1 :]))
        if lines[number].startswith("checksum"):
            assert read_manifest(plan.directory) is not None  # as versions before wrote it
            continue
        with pytest.raises((EditedFileError, UsageError), match=r"sweep\.yaml"):
            update_manifest(plan)


def test_without_a_checksum_its_shape_is_checked(sweep):
    path, plan = sweep
    stored = yaml.safe_load(path.read_text())
    del stored["checksum"]
    path.write_text(yaml.safe_dump(stored))
    update_manifest(plan)
    for key, wrong in [
        ("trials", [{}]),
        ("trials", {"a": 1}),
        ("trials", [3]),
        ("axes", {"seed": 3}),
        ("axes", {"seed": [3]}),
        ("axes", ["seed"]),
        ("options", [1]),
        ("trials", [{**stored["trials"][0], "settings": None}]),
    ]:
        path.write_text(yaml.safe_dump({**stored, key: wrong}))
        with pytest.raises(UsageError, match=r"sweep\.yaml does not; it is damaged"):
            update_manifest(plan)


def test_an_edited_manifest_of_a_sweep_is_taken_if_it_is_trusted(sweep):
    path, plan = sweep
    path.write_text(path.read_text().replace("seed:\n  - '0'", "seed:\n  - '7'").replace("- '0'", "- '7'", 1))
    with pytest.raises(EditedFileError, match=r"sweep\.yaml was edited.*trust_edited=true"):
        update_manifest(plan)
    trusting = replace(plan, options={**plan.options, "trust_edited": True})
    with pytest.warns(UserWarning, match="taken as it is"):
        update_manifest(trusting)
    assert "7" in str(read_manifest(plan.directory)["axes"])
    assert make_plan([f"dir={path.parent}", "trust_edited=true", "seed=0..1"]).options["trust_edited"] is True


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"parameters": "many"}', '{"parameters": -1}', '{"parameters": true}']
)
def test_damaged_sizes_leave_a_gap_in_a_sweeps_summary(tmp_path, text):
    axes = {"agent": ["ppo"], "core": ["gru"], "env": ["diagnostic/t_maze"], "seed": ["0"]}
    (entry,) = read_statuses(make_trials(axes, {}, []), tmp_path)
    entry.status = FINISHED
    entry.run_dir.mkdir(parents=True)
    (entry.run_dir / "sizes.json").write_text(text)
    with pytest.warns(UserWarning, match=r"tells no sizes: sizes\.json is damaged"):
        assert re.search(r"\| 1 \|  \|  \|  \|$", summary_lines([entry])[-1])


def test_damaged_lines_of_a_running_trial_are_left_out(tmp_path):
    lines = [
        b'{"env_steps": 5, "charts/episodic_return": 0.5}',
        b"\xff\xfe",
        b"[3]",
        b'{"env_steps": "x"}',
        b"{",
        b"3",
    ]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(lines))
    state = running_state(tmp_path)
    assert (state.env_steps, state.episodic_return) == (5, 0.5)
