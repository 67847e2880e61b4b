"""The benchmark of the replay runs and writes what it measured; no test looks at the times."""

import json

from engram.benchmarks import command as benchmark

TINY = ("replay", "rows=200", "repeats=1", "seconds=0.001", "num_envs=2", "batch_size=2", "batch_length=8")


def test_it_writes_every_case_and_number(tmp_path, capsys):
    output = tmp_path / "replay.json"
    assert benchmark.command([*TINY, f"output={output}", f"folder={tmp_path}"]) == 0
    results = json.loads(output.read_text())["results"]
    assert [(result["case"], result["row_bytes"]) for result in results] == [
        ("recall", 31),
        ("small", 87),
        ("image", 12311),
    ]
    for result in results:
        assert all(result[name] > 0 for name in ("extend", "sample", "copy", "torchrl"))
    assert [path.name for path in tmp_path.iterdir()] == ["replay.json"]
    assert "load average" in capsys.readouterr().out


def test_wrong_options_of_the_replay_benchmark(capsys):
    assert benchmark.command([*TINY, "cases=[none]"]) == 2
    assert "a list of recall, small, image, but got 'none'" in capsys.readouterr().err
    assert benchmark.command([*TINY, "batch_length=300"]) == 2
    assert "must hold at least one window of 300 rows" in capsys.readouterr().err
