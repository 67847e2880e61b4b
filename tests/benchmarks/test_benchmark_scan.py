"""The benchmark of the scan runs and writes what it measured; no test looks at the times."""

import json

from engram.benchmarks import command as benchmark


def test_it_writes_every_size_and_dtype(tmp_path, capsys):
    output = tmp_path / "scan.json"
    words = ["scan", "sizes=[[2,8,4],[3,9,5]]", "repeats=1", f"output={output}"]
    assert benchmark.command(words) == 0
    results = json.loads(output.read_text())["results"]
    measured = [(result["size"], result["dtype"]) for result in results]
    assert measured == [(s, d) for s in ([2, 8, 4], [3, 9, 5]) for d in ("float32", "complex64")]
    assert all(result["both_ms"] > 0 for result in results)
    assert [result["reference_ms"] is None for result in results] == [False, False, True, True]
    assert "fwd+bwd ms" in capsys.readouterr().out


def test_wrong_options_are_named(capsys):
    assert benchmark.command(["scan", "dtypes=[float8]"]) == 2
    assert "float8" in capsys.readouterr().err
    assert benchmark.command(["scan", "sizes=[[2,8]]"]) == 2
    assert "[B, T, D]" in capsys.readouterr().err
