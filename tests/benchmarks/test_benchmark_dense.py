"""The benchmark of dense layers runs and writes what it measured; no test looks at the times."""

import json

from engram.benchmarks import command as benchmark
from engram.common import dense


def test_it_writes_both_products_of_every_size(tmp_path, capsys):
    output, limits = tmp_path / "dense.json", dense.LIMITS
    assert benchmark.command(["dense", "sizes=[[4,8,8],[3,5,7]]", "repeats=1", f"output={output}"]) == 0
    report = json.loads(output.read_text())
    assert [(line["size"], line["product"]) for line in report["results"]] == [
        (size, product) for size in ("4, 8, 8", "3, 5, 7") for product in ("rows", "weights")
    ]
    assert all(line["gigaflops"] > 0 and line["taken"] == "torch" for line in report["results"])
    assert set(report["processor"]) == {"vendor", "family", "has_avx512"}
    assert dense.LIMITS == limits and "oneDNN" in capsys.readouterr().out


def test_a_size_that_is_none_is_refused(capsys):
    assert benchmark.command(["dense", "sizes=[[4,8]]"]) == 2
    assert "sizes [rows, in, out]" in capsys.readouterr().err
