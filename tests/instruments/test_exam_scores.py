"""What an exam counts as right, held against numbers worked out by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict

from engram.envs.diagnostic import RecallFirst, RecallPairs
from engram.envs.memory_maze.maze import MemoryMaze
from engram.instruments.exam.episodes import play_script
from engram.instruments.exam.questions import RecallFirstExam, RecallPairsExam
from engram.instruments.exam.scores import balanced_accuracy, balanced_share, nearest_candidate, share
from engram.instruments.exam.table import Cell, mean_cell, table_lines
from engram.instruments.exam.turning import TurningExam, turned, views_around


def test_a_share_and_its_error():
    found = share(torch.tensor([[True, True], [True, False]]), chance=0.25)
    assert found.value == 0.75 and found.chance == 0.25 and found.asked == 4
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 4))


def test_a_balanced_accuracy_weighs_both_kinds_alike():
    truth = torch.tensor([True, False, False, False, False])
    found = balanced_accuracy(torch.tensor([True, True, False, False, False]), truth)
    assert found.value == pytest.approx((1 + 3 / 4) / 2) and found.chance == 0.5
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 4) / 2)
    # One answer for all is worth a half, however rare the other is.
    assert balanced_accuracy(torch.zeros(5, dtype=torch.bool), truth).value == 0.5
    with pytest.raises(ValueError, match="both must have come, but all 5 are True; ask more episodes"):
        balanced_accuracy(truth, torch.ones(5, dtype=torch.bool))


def test_a_balanced_share():
    is_right = torch.tensor([True, False, True, True])
    kind = torch.tensor([True, True, False, False])
    assert balanced_share(is_right, kind).value == pytest.approx((1 / 2 + 1) / 2)


def test_the_nearest_candidate():
    candidates = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [3.0, 0.0]]])
    assert nearest_candidate(torch.tensor([[0.8, 0.7]]), candidates).tolist() == [1]
    assert nearest_candidate(torch.tensor([[2.5, 0.2]]), candidates).tolist() == [2]


def test_angles_and_the_views_around():
    assert turned(torch.tensor([0.1]), torch.tensor([2 * math.pi - 0.1])).item() == pytest.approx(
        0.2, abs=1e-6
    )
    seen = torch.arange(8.0) * (math.pi / 4)  # row i looked i eighths of a turn to the left
    now = torch.tensor([[math.pi / 2 + 0.1, 7 * math.pi / 4 + 2 * math.pi]])
    assert views_around(seen[None], now).tolist() == [[[2, 4, 6, 0], [7, 1, 3, 5]]]


def test_which_rows_may_follow_two_pairs():
    task = RecallPairsExam(RecallPairs(1, num_pairs=2, num_keys=4, num_values=3))
    # Keys 0 to 3 and the blank 4; values 0 to 2 and the blank 3; keys 2 and 0 were shown.
    shown = torch.tensor([[[2, 1], [0, 2], [0, 3], [2, 3], [4, 3]]])
    rows = TensorDict({"obs": shown}, batch_size=[1, 5])

    def follow(*imagined):
        return task.can_come(torch.tensor([imagined]), rows)[0].tolist()

    assert follow((0, 3), (2, 3), (4, 3)) == [True, True, True]
    assert follow((2, 3), (0, 3), (4, 3)) == [True, True, True]
    assert follow((2, 3), (2, 3), (4, 3)) == [True, False, True]  # asked twice
    assert follow((1, 3), (0, 1), (4, 3)) == [False, False, True]  # never shown; not blank
    assert follow((2, 3), (4, 3), (0, 3)) == [True, False, False]  # over too soon
    assert task.recall_score(torch.tensor([[[1, 3], [0, 3], [4, 3]]]), rows)["recall"].value == 0.5
    questions = task.questions(rows)
    assert [(one.row, one.context, one.answer.tolist()) for one in questions] == [(2, 3, [2]), (3, 4, [1])]


def test_what_is_asked_of_the_first_row():
    task = RecallFirstExam(RecallFirst(1, delay=2, num_symbols=3))
    rows = TensorDict({"obs": torch.tensor([[1, 3, 3, 3]])}, batch_size=[1, 4])
    assert task.num_rows == 4
    assert [(one.row, one.context, one.answer.tolist()) for one in task.questions(rows)] == [(2, 1, [1])]
    assert task.can_come(torch.tensor([[3, 1, 3]]), rows).tolist() == [[True, False, True]]


def test_seeds_are_put_together():
    scores = [{"value": value, "standard_error": 0.5, "chance": 0.25} for value in (0.2, 0.4, 0.9)]
    found = mean_cell(scores)
    assert found.value == pytest.approx(0.5) and found.seeds == 3
    assert found.standard_error == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2 / 3))
    assert mean_cell(scores[:1]) == Cell(0.2, 0.5, 0.25, 1)


def test_the_table_has_a_line_for_every_core():
    def result(core, seed, value):
        return {
            "task": "diagnostic/recall_first",
            "agent": "r2i",
            "core": core,
            "scores": {"reward": {"value": value, "standard_error": 0.01, "chance": 0.5, "asked": 9}},
            "curve": [value],
            "losses": [{"update": 9, "reward": 2.0, "prior_entropy": 7.0}],
            "sizes": {"parameters": 3},
            "seconds": 4.0,
            "asked": {"seed": seed, "core._target_": core, "updates": 9},
        }

    lines = table_lines([result("mlp", 0, 0.5), result("gru", 0, 0.75), result("gru", 1, 0.85)])
    assert lines == [
        "",
        "diagnostic/recall_first",
        "",
        "| core | reward | seeds | seconds |",
        "| --- | --- | --- | --- |",
        "| chance | 0.500 | | |",
        "| `mlp` | 0.500 ± 0.010 | 1 | 4 |",
        "| `gru` | 0.800 ± 0.050 | 2 | 4 |",
    ]


def played(exam_of, env, num_episodes, **options):
    task = exam_of(env(num_episodes, **options))
    return task, play_script(env(num_episodes, **options), task.actions(num_episodes, 5), 3, task.facts)


class Told:
    """In the place of an agent: it foretells what it is told to."""

    def __init__(self, found, outcomes=None):
        self.found, self.expected = found, outcomes

    def initial_memory(self, count):
        return TensorDict({}, batch_size=[count])

    def open_loop(self, batch, context):
        return self.found

    def outcomes(self, batch, context, actions):
        return self.expected(batch.rows, context, actions)


@pytest.mark.parametrize(
    ("exam_of", "env", "options"),
    [(RecallFirstExam, RecallFirst, {"delay": 3}), (RecallPairsExam, RecallPairs, {"num_pairs": 3})],
    ids=["recall_first", "recall_pairs"],
)
@pytest.mark.parametrize("knows", [True, False])
def test_who_knows_everything_reaches_everything(exam_of, env, options, knows):
    task, episodes = played(exam_of, env, 200, **options)
    rows = episodes.rows
    answers = {one.row: one.answer for one in task.questions(rows)}

    def outcomes(shown, context, actions):
        assert context <= shown.shape[1]
        right = answers[shown.shape[1] - 1] if knows else torch.zeros_like(actions[0])
        return torch.stack([(action == right) * 2.0 - 1.0 for action in actions], dim=1)

    found = {"obs": {"obs": rows["obs"]}, "continues": (~rows["is_terminal"]).float()}
    found = task.evaluate(Told(found, outcomes), episodes)
    asked = {name: score.value for name, score in found.scores.items()}
    assert set(asked) == set(task.meanings)
    if knows:
        assert set(asked.values()) == {1.0} and set(found.curve) == {1.0}
    else:
        assert asked["imagination"] == 1 and asked["reasoning"] < 0.4 and asked["reward"] < 0.65


def test_the_maze_turns_and_tells_directions_apart():
    def env(count):
        return MemoryMaze(count, "tiny", num_layouts=16, image_size=16, procedural_textures=True)

    task, episodes = played(TurningExam, env, 8)
    actions, heading = episodes.rows["action"], episodes.facts["heading"]
    assert (actions[:, :20] == 2).all() and (actions[0::2] == 2).all() and (actions[1::2, 20:] == 3).any()
    all_around = (heading[:, 1:21] - heading[:, :20]).remainder(2 * math.pi).sum(1)
    assert (all_around > 2 * math.pi).all() and (all_around < 2.2 * math.pi).all()
    pictures = episodes.rows["obs"].float() / 255
    seen = {"true_obs": {"obs": pictures}}
    truth = task.evaluate(Told({"obs": {"obs": pictures}, **seen}), episodes).scores
    # Two views of an empty corridor can be alike.
    assert set(truth) == set(task.meanings) and all(score.value > 0.85 for score in truth.values())
    last = pictures[:, 20:21].expand_as(pictures)
    stale = task.evaluate(Told({"obs": {"obs": last}, **seen}), episodes).scores
    assert stale["recall"].value < 0.5 and stale["reasoning"].value < 0.3 < stale["imagination"].value


def test_an_exam_is_set_for_the_task_as_it_is():
    with pytest.raises(ValueError, match="An exam is set for RecallFirst as it is, but got SimpleNamespace"):
        RecallFirstExam(SimpleNamespace())
    with pytest.raises(ValueError, match="set for pictures alone and discrete actions"):
        TurningExam(MemoryMaze(1, "tiny", num_layouts=2, camera=False, global_observables=True))
