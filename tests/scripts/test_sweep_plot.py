"""A sweep's folder is what the comparison reads: nothing has to be moved, and nothing in it is a damaged run."""

import json

import pytest

from run_files import RECALL, TINY


@pytest.mark.slow
def test_a_sweep_is_compared(run, tmp_path):
    words = [word for word in TINY if not word.startswith(("core=", "logging.progress"))]
    sweep = ("sweep", *words, *RECALL, "core=gru,mlp", "seed=0..1", f"dir={tmp_path}/sweep", "workers=1")
    result = run(*sweep, "total_env_steps=1000")
    assert result.code == 0, result.err
    output = tmp_path / "report"
    result = run("plot", f"runs={tmp_path}/sweep", f"output={output}", "resamples=100", "figures=false")
    assert result.code == 0, result.err
    document = json.loads((output / "results.json").read_text())
    assert document["groups"] == ["gru", "mlp"] and document["skipped"] == []
    assert [task["name"] for task in document["tasks"]] == ["diagnostic/recall_first"]
    assert {(row["group"], row["seeds"]) for row in document["table"]} == {("gru", 2), ("mlp", 2)}
    commands = [one["command"] for one in document["configurations"]]
    assert [command.split("core=")[1].split()[0] for command in commands] == ["gru", "mlp"]
    assert all(command.startswith("engram train ") for command in commands), commands
