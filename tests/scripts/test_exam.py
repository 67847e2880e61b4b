"""`engram exam`: what it writes, how it goes on, and what it refuses."""

import csv
import json

import pytest

from engram.agents import Dreamer
from engram.api.exam_run import RESULT_FILE, STATE_FILE, PlayedEpisodes, run_exam
from engram.api.examining import Exam
from engram.run_files.run_lock import folder_lock
from engram.scripts import exam

TINY = (
    "updates=3",
    "episodes=32",
    "held_out=32",
    "num_envs=16",
    "agent.batch_size=2",
    "agent.batch_length=24",
)
TINY += ("agent.units=8", "agent.memory_size=8", "core.hidden_size=8")
PAIRS = "env=diagnostic/recall_pairs"


@pytest.fixture
def said(tmp_path, capsys):
    """Give the command words: exit code, what was said, and the folder."""

    def call(*words):
        code = exam.command([f"output={tmp_path / 'exams'}", *TINY, *words])
        out, err = capsys.readouterr()
        return code, out, err, tmp_path / "exams"

    return call


def test_two_cores_on_two_tasks(said):
    words = ("core=gru,lstm", "env=diagnostic/recall_first,diagnostic/recall_pairs")
    code, out, err, folder = said(*words)
    assert code == 0, err
    assert "| core | imagination | recall | reward | reasoning | seeds | seconds |" in out
    assert "| core | imagination | reward | reasoning | seeds | seconds |" in out
    assert out.count("| `gru` |") == out.count("| `lstm` |") == 2
    with (folder / "recall_pairs.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [(row["core"], row["ability"]) for row in rows[:2]] == [("gru", "imagination"), ("gru", "recall")]
    found = json.loads((folder / "results.json").read_text())["found"]
    assert found["recall_pairs"]["lstm"]["scores"]["reasoning"]["value"] == float(rows[7]["value"])
    page = (folder / "index.html").read_text()
    assert 'src="recall_first.png"' in page and 'src="recall_pairs_curve.png"' in page and "http" not in page
    stored = json.loads((folder / "diagnostic/recall_pairs/r2i-gru/0" / RESULT_FILE).read_text())
    assert [entry["update"] for entry in stored["losses"]] == [3] and stored["sizes"]["parameters"] > 100
    # The same command runs nothing again; another core is added to the folder.
    before = (folder / "diagnostic/recall_pairs/r2i-gru/0" / RESULT_FILE).stat().st_mtime_ns
    code, again, err, _ = said(*words)
    assert code == 0 and again == out
    assert (folder / "diagnostic/recall_pairs/r2i-gru/0" / RESULT_FILE).stat().st_mtime_ns == before


def test_a_core_without_memory_and_the_other_agent(said):
    code, out, err, _ = said(PAIRS, "core=mlp", "agent=r2i,dreamerv3")
    assert code == 0, err
    assert "| `r2i-mlp` |" in out and "| `dreamerv3-mlp` |" in out


def test_a_core_that_diverges_stops_no_other(said, monkeypatch):
    def diverge(self, batch):
        raise FloatingPointError("Every number in training must be finite, but losses/reward holds NaN")

    monkeypatch.setattr(Dreamer, "learn_model", diverge)
    code, _, err, _ = said(PAIRS, "core=gru,lstm")
    assert code == 3 and err.count("diverged: Every number") == 2
    assert "2 of 2 exams diverged, first diagnostic/recall_pairs/r2i-gru/0: Every number" in err
    monkeypatch.undo()
    assert said(PAIRS, "core=lstm")[0] == 0
    monkeypatch.setattr(Dreamer, "learn_model", diverge)
    code, out, err, _ = said(PAIRS, "core=gru,lstm")
    assert code == 3 and "| `lstm` |" in out and "1 of 2 exams have no result yet" in err


def test_an_exam_in_another_command_s_hands_is_left_to_it(said):
    folder = said(PAIRS, "core=gru")[3] / "diagnostic/recall_pairs/r2i-lstm/0"
    folder.mkdir(parents=True)
    with folder_lock(folder):
        code, out, err, _ = said(PAIRS, "core=gru,lstm")
        assert code == 0 and "r2i-lstm/0  another command has it in hand" in err and "`lstm`" not in out
        code, _, err, _ = said(PAIRS, "core=lstm")
        assert code == 2 and "other commands run all exams that were asked for" in err


def test_an_exam_that_is_stopped_goes_on_exactly(tmp_path):
    words = [PAIRS, "core=gru", *TINY, "updates=6"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = run_exam(Exam.of(words), whole, PlayedEpisodes(), lambda: False)
    asked = iter([False, False, True])
    assert run_exam(Exam.of(words), parts, PlayedEpisodes(), lambda: next(asked)) is None
    assert (parts / STATE_FILE).exists() and not (parts / RESULT_FILE).exists()
    found = run_exam(Exam.of(words), parts, PlayedEpisodes(), lambda: False)
    assert not (parts / STATE_FILE).exists()
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}
    # What was learnt with other options is not gone on with.
    asked = iter([False, True])
    assert run_exam(Exam.of([*words, "seed=1"]), parts, PlayedEpisodes(), lambda: next(asked)) is None
    assert run_exam(Exam.of(words), parts, PlayedEpisodes(), lambda: False)["losses"] == expected["losses"]


def test_a_result_of_other_options_or_edited_is_not_taken(said):
    assert said(PAIRS, "core=gru")[0] == 0
    code, _, err, folder = said(PAIRS, "core=gru", "updates=4")
    assert code == 2 and "is that of updates=3, but got updates=4; leave it as it was, or give another" in err
    path = folder / "diagnostic/recall_pairs/r2i-gru/0" / RESULT_FILE
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 0.5', 1))
    code, _, err, _ = said(PAIRS, "core=gru")
    assert code == 2 and "was edited or damaged since" in err and "trust_edited=true" in err
    with pytest.warns(UserWarning, match="it is taken as it is, because trust_edited is given"):
        assert said(PAIRS, "core=gru", "trust_edited=true")[0] == 0
    path.write_text("{")
    code, _, err, _ = said(PAIRS, "core=gru")
    assert code == 2 and "is damaged; move it away" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["env=popgym/repeat_first_easy"], "An exam is set for the tasks diagnostic/recall_first, "),
        (
            [PAIRS, "agent=ppo"],
            "An exam is for agents with a world model, r2i and dreamerv3, but got agent=ppo",
        ),
        ([PAIRS, "episodes=30"], "episodes must be a multiple of num_envs=16, but got 30"),
        ([PAIRS, "updates=0"], "updates must be a whole number of at least 1, but got 0"),
        ([PAIRS, "core=gru", "update=3"], "'update' does not; did you mean 'updates'?"),
        ([PAIRS, "core=gru,grue"], "core must be one of"),
        (
            [PAIRS, "output=a,b", "threads=1,2"],
            "All exams of a command share threads, but got several values",
        ),
        ([PAIRS, "env.num_pairs=20"], "num_keys must be at least num_pairs=20, but got 16"),
        ([PAIRS, "env.trials=3"], "leave env.trials, env.projection and env.observable out"),
        (
            ["env=memory_maze/9x9", "env.backend=package"],
            "set for native tasks, but got env.backend=package; leave it",
        ),
        (
            ["env=memory_maze/tiny", "env.kwargs.discrete_actions=false"],
            "discrete actions, but got observations",
        ),
        ([PAIRS, "device=gpu"], "The device must be one of cpu"),
        (["core"], "An option is written key=value, but got 'core'"),
    ],
)
def test_what_is_refused_in_one_sentence(words, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {word.partition("=")[0] for word in words}
    small = [word for word in TINY if word.partition("=")[0] not in given and "agent=ppo" not in words]
    assert exam.command([*small, *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help(said):
    code, out, _, _ = said("--help")
    assert code == 0 and "usage: engram exam" in out and "Teaches a world model alone" in out
