"""A search's folder as the comparison reads it: what was ended early is left out by name, the rest is drawn."""

import json

from synthetic_runs import plot, write_run

from engram.analysis.search_figure import draw_search
from engram.run_files.json_text import json_text
from engram.run_files.sealed_json import sealed

TASK = "popgym/repeat_previous_easy"


def write_search(folder):
    tried = []
    for number, (rate, state) in enumerate(
        (("0.001", "finished"), ("0.002", "pruned"), ("0.004", "finished"))
    ):
        returns = (0.1, 0.2, 0.3, 0.4) if state == "finished" else (0.0,)
        words = (f"agent.learning_rate={rate}",)
        run_dir = write_run(folder, returns=returns, evaluations=returns, words=words, name=f"0-{rate}")
        score = float(rate) * 100 if state == "finished" else None
        runs, options = (
            [run_dir.relative_to(folder).as_posix()],
            {"agent.learning_rate": rate, "agent.gamma": "0.9"},
        )
        tried.append({"number": number, "state": state, "score": score, "options": options, "runs": runs})
    space = {"agent.learning_rate": "0.001..0.004:log", "agent.gamma": "0.9,0.99"}
    document = {"metric": "episodic_return", "score": "area", "direction": "maximize", "space": space}
    (folder / "search.json").write_text(json_text(sealed({**document, "configurations": tried})))


def test_what_was_ended_early_is_left_out_by_name(run, tmp_path):
    write_search(tmp_path / "search")
    _, document = plot(run, tmp_path / "search", tmp_path / "out")
    (skipped,) = document["skipped"]
    assert skipped["name"].endswith("ppo-gru/0-0.002") and skipped["reason"] == "ended early by its search"
    assert [task["end"] for task in document["tasks"]] == [4000]
    (search,) = document["searches"]
    assert [one["score"] for one in search["configurations"]] == [0.1, None, 0.4]
    _, document = plot(run, tmp_path / "search" / TASK / "ppo-gru" / "0-0.002", tmp_path / "out")
    assert document["searches"] == [] == document["skipped"]  # named itself


def test_an_edited_search_is_named(run, tmp_path):
    write_search(tmp_path / "search")
    path = tmp_path / "search" / "search.json"
    path.write_text(path.read_text().replace("0.4", "0.9"))
    _, document = plot(run, tmp_path / "search", tmp_path / "out")
    assert "was edited or damaged" in document["skipped"][0]["reason"] and document["searches"] == []


def test_the_figure(tmp_path):
    write_search(tmp_path)
    figure = draw_search(json.loads((tmp_path / "search.json").read_text()))
    history, rate, gamma = figure.axes[:3]
    assert history.lines[0].get_xydata().tolist() == [[1, 0.1], [3, 0.4]]
    assert rate.get_xscale() == "log" and rate.lines[1].get_xydata().tolist() == [[0.004, 0.4]]
    assert [tick.get_text() for tick in rate.get_xticklabels()] == ["0.001", "0.002"]
    assert rate.lines[2].get_xdata().tolist() == [0.002]
    assert [tick.get_text() for tick in gamma.get_xticklabels()] == ["0.9", "0.99"]
