"""Damage has a name: a damaged or edited folder is refused by name, or gives the same result; never another one.

The whole campaign is slow; a fast sample of it runs with every change. See `damage_campaign`.
"""

from __future__ import annotations

import dataclasses
import functools
import zipfile

import pytest
from damage_campaign import (
    FAULTS,
    NO_NAME,
    NO_TRACEBACK,
    REFUSED,
    SAME,
    SILENT,
    TRACEBACK,
    Campaign,
    all_cases,
    damage_in,
    last_line,
    make_all,
    make_runs,
    sample_cases,
    table,
)
from damage_cases import Case, write
from damage_commands import Said, quick_commands
from damage_consumers import CONSUMERS, Outcome
from damage_edits import edits
from damage_folders import RUN
from damage_kinds import TEXT_FILE, damaged


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs and an archive, to be damaged."""
    with quick_commands():
        yield make_runs(tmp_path_factory.mktemp("damage"))


def assert_no_fault(judged):
    """Assert that nothing passed in silence or ended in a traceback; names the cases that did."""
    faults = [one for one in judged if one.verdict in FAULTS]
    assert not faults, "\n".join(
        f"{one.verdict}: {one.case.name} ({one.consumer}): {last_line(one.said)}" for one in faults
    )


def test_a_sample_of_the_campaign(runs):
    judged = damage_in(runs, sample_cases(runs.bases))
    assert_no_fault(judged)
    found = {one.verdict for one in judged}
    assert len(judged) >= 40 and {SAME, REFUSED} <= found


@pytest.mark.slow
def test_the_whole_campaign(tmp_path):
    with quick_commands():
        campaign = make_all(tmp_path)
        judged = damage_in(campaign, all_cases(campaign.bases))
    print("\n" + table(judged))
    assert_no_fault(judged)
    assert len(judged) >= 1500
    assert sum(one.verdict == REFUSED for one in judged) > 1000


@pytest.mark.parametrize("left_over", [b'{"env_steps": 120, "cha', b"\0\0\0\0", b"\n"])
def test_what_a_kill_leaves_at_the_end_of_a_log_is_accepted(runs, left_over):
    """A line that was being written, and lines after the last checkpoint, are no damage."""
    control = runs.control("killed", "resume")
    work = runs.shop.lay_out(runs.bases["killed"])
    log = work / RUN / "metrics.jsonl"
    log.write_bytes(log.read_bytes() + left_over)
    (work / RUN / "checkpoints" / "latest.safetensors.tmp").write_bytes(b"half")
    outcome = CONSUMERS["resume"](work, ())
    assert outcome.said.code == 0, outcome.said.text + outcome.said.trace
    assert outcome.result == control.result


OUTCOMES = {
    SAME: Outcome(Said(0, "", ""), [1]),
    SILENT: Outcome(Said(0, "", ""), [2]),
    REFUSED: Outcome(Said(2, "error: A file must be whole, but /x/run/metrics.jsonl is not.\n", "")),
    NO_NAME: Outcome(Said(2, "error: A number must be positive.\n", "")),
    TRACEBACK: Outcome(Said(None, "", "", "KeyError: 'a'")),
}


@pytest.mark.parametrize("verdict", OUTCOMES)
def test_verdicts(verdict):
    """The judge tells silence, a sentence and a traceback apart."""
    case = Case("killed", "run/metrics.jsonl", "flip", "0", ("resume",))
    campaign = Campaign.__new__(Campaign)
    judge = functools.partial(campaign.verdict, control=[1], consumer="resume")
    assert judge(case, OUTCOMES[verdict]) == verdict
    asked_for = dataclasses.replace(case, is_lenient=True)
    assert judge(asked_for, OUTCOMES[verdict]) == (TRACEBACK if verdict == TRACEBACK else NO_TRACEBACK)


def test_an_exit_code_of_its_own_is_a_fault():
    case = Case("killed", "run/metrics.jsonl", "flip", "0", ("resume",))
    campaign = Campaign.__new__(Campaign)
    told = Outcome(Said(1, "error: ValueError was raised by code of your own\nTraceback (most recent", ""))
    assert campaign.verdict(case, told, [1], "resume") == TRACEBACK
    diverged = Outcome(Said(3, "error: /x/run has diverged\n", ""))
    assert campaign.verdict(case, diverged, [1], "resume") == NO_NAME


def test_a_damage_is_the_same_every_time_and_changes_something():
    content = b'{"a": 1}\n{"b": 22}\n{"c": 333}\n' * 9
    for kind in TEXT_FILE:
        first = damaged(content, kind, f"x:{kind}:0")
        assert first is not None and first != content and first == damaged(content, kind, f"x:{kind}:0"), kind


def test_edits_reach_every_value():
    document = {"a": 1, "b": {"c": [True, "x"]}, "d": {}}
    found = {name: change(document) for name, change in edits(document)}
    assert found["a:another"] == {"a": 2, "b": {"c": [True, "x"]}, "d": {}}
    assert found["b.c.1:removed"] == {"a": 1, "b": {"c": [True]}, "d": {}}
    assert found["b.c.0:another"]["b"]["c"] == [False, "x"]
    assert found["b.c:emptied"] == {"a": 1, "b": {"c": []}, "d": {}}
    assert found["top:added"]["added_by_hand"] == 1
    assert all(repr(changed) != repr(document) or ":emptied" in name for name, changed in found.items())
    assert document == {"a": 1, "b": {"c": [True, "x"]}, "d": {}}


def test_a_member_of_an_archive_is_replaced(runs, tmp_path):
    work = runs.shop.lay_out(runs.bases["archive"])
    write(work, "runs.zip!work/run/config.yaml", b"seed: 1\n")
    with zipfile.ZipFile(work / "runs.zip") as archive:
        assert archive.read("work/run/config.yaml") == b"seed: 1\n" and len(archive.namelist()) > 5
