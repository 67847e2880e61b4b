"""The table of cores by tasks is that of the published scores."""

import pytest

from engram.common.errors import UsageError
from engram.tools import document_ladder
from engram.tools.document_cores import with_tables
from engram.tools.document_ladder import BEGIN, END, PAGE, SCORES, make_table

HEADER = "group,core,task,seed,seconds,mmer,final_evaluation"
RUNS = [
    "lstm,lstm,diagnostic/permutations tokens=swaps,0,90,0.98,0.9512",
    "lstm,lstm,diagnostic/permutations tokens=swaps,1,126,1.0,0.96",
    "s5,s5,diagnostic/parity,0,30,0.5,-0.125",
    "lstm,lstm,diagnostic/parity,0,60,1.0,1.0",
]


def test_a_line_for_each_core_the_best_first(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("\n".join([HEADER, *RUNS]) + "\n")
    assert make_table(scores).splitlines() == [
        "| core | `parity` | `permutations tokens=swaps` | minutes |",
        "| --- | --- | --- | --- |",
        "| `lstm` | **1.00 / 1.00** | **0.99 / 0.96** | 2.1 |",
        "| `s5` | 0.50 / \N{MINUS SIGN}0.12 |  | 0.5 |",
    ]


def test_the_page_holds_the_published_scores():
    page = PAGE.read_text()
    assert BEGIN in page and END in page.partition(BEGIN)[2]
    if SCORES.exists():
        assert page == with_tables(page, make_table(SCORES), BEGIN, END), (
            "run python -m engram.tools.document_ladder"
        )


def test_what_it_does_without_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(document_ladder, "SCORES", tmp_path / "scores.csv")
    with pytest.raises(UsageError, match=r"scores\.csv does not exist; write them with engram plot"):
        document_ladder.main([])
