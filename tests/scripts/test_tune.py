"""`engram tune`: what it refuses, and a search that is killed, continued, drawn, and whose best trains."""

import json

import pytest
from sweep_processes import lines_in, wait_for_none

from run_files import RECALL, TINY, assert_refused, metric_lines, snapshot

pytest.importorskip("optuna")
RATE = "agent.learning_rate=1e-4..1e-2:log"
WRONG = {
    "seed=0..1": "needs an option to choose, but got none with a range",
    f"{RATE} total_env_steps=100,200": r"have the same total_env_steps",
    f"{RATE} evaluation.interval=null": r"evaluation\.interval is null",
    f"{RATE} tune.sampler=grid": r"values one by one, but got agent\.learning_rate=0\.0001\.\.0\.01:log",
    f"{RATE} tune.sampler=cmaes": r"tune\.sampler must be one of tpe, random, grid, but got 'cmaes'",
    f"{RATE} sampler=grid": r"write tune\.sampler=grid",
    f"{RATE} trials=0": r"tune\.trials must be a whole number of at least 1",
    f"{RATE} tune.trails=3": r"did you mean 'tune\.trials'",
    "agent.learning_rat=1e-4..1e-2": r"did you mean 'agent\.learning_rate'",
    "agent.learning_rate=1e-2..1e-4": "from its lowest to its highest value",
    "agent.gamma=0.5..1.5": "gamma of PPO must be a number from 0 to 1",
    f"{RATE} core=lstm,ltsm": "core must be one of .*'ltsm'",
    "tune.space.agent.gamma=0.5": "chooses from several values or a range",
    "tune.space.env.delay=2,4": "tune.space has env.delay",
    f"{RATE} resume=runs/x": "continues its runs itself",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_searches(run, tmp_path, words):
    common = [word for word in TINY if not word.startswith("core")]
    assert_refused(run("tune", *common, *RECALL, f"dir={tmp_path}/search", *words.split()), WRONG[words])
    assert not (tmp_path / "search").exists()


def test_help_describes_the_search(run):
    text = run("tune", "--help").out
    assert "tune.sampler=tpe" in text and "sweep.workers=null" in text and "engram tune --help all" in text


@pytest.mark.slow
def test_a_killed_search_continues_and_its_best_trains(run, tmp_path):
    """Killed in the middle of its second configuration; nothing that was tried is tried again."""
    folder = tmp_path / "search"
    words = (*TINY, *RECALL, RATE, "agent.gamma=0.5,0.9", "total_env_steps=2000", "trials=3", "workers=1")
    search = ("tune", *words, f"dir={folder}")
    logs = folder / "logs" / "diagnostic" / "recall_first" / "ppo-lstm"

    def second_is_running():
        found = sorted(folder.glob("diagnostic/*/*/*/metrics.jsonl"), key=lambda path: path.stat().st_ctime)
        return len(found) == 2 and all(lines_in(path.parent) >= 4 for path in found)

    first = run(*search, kill_when=second_is_running)
    assert first.code == -9, first.err
    wait_for_none(tmp_path)
    done = json.loads((folder / "search.json").read_text())["configurations"]
    assert [one["state"] for one in done] == ["finished", "running"]
    finished = snapshot(folder / done[0]["runs"][0])
    second = run(*search)
    assert second.code == 0, second.err
    after = json.loads((folder / "search.json").read_text())["configurations"]
    assert [one["options"] for one in after[:2]] == [one["options"] for one in done]
    assert len(after) == 3 == len({json.dumps(one["options"]) for one in after}) == len(list(logs.iterdir()))
    assert snapshot(folder / done[0]["runs"][0]) == finished
    assert "3 configurations: 3 finished" in second.err
    third = run(*search)
    assert third.code == 0 and json.loads((folder / "search.json").read_text())["configurations"] == after
    best = max(after, key=lambda one: one["score"])
    result = run("train", f"config={folder}/best.yaml", f"logging.run_dir={tmp_path}/best")
    assert result.code == 0, result.err
    assert metric_lines(tmp_path / "best") == metric_lines(folder / best["runs"][0])
    report = run("plot", f"runs={folder}", f"output={tmp_path}/report", "resamples=100")
    assert report.code == 0, report.err
    assert (tmp_path / "report" / "figures" / "search.png").stat().st_size > 10_000
