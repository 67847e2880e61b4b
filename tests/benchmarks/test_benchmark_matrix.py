"""The benchmark of the matrix engine runs and writes what it measured; no test looks at the times."""

import json

from engram.benchmarks import command as benchmark

SMALL = [
    "batch_size=2",
    "length=5",
    "hidden_size=16",
    "num_heads=2",
    "key_size=2",
    "value_size=3",
    "repeats=1",
]


def test_it_writes_the_engines_forms_and_the_cores_asked_for(tmp_path, capsys):
    output = tmp_path / "matrix.json"
    assert benchmark.command(["matrix", *SMALL, "cores=[ret_net,mlstm]", f"output={output}"]) == 0
    results = {result["name"]: result for result in json.loads(output.read_text())["results"]}
    forms = ["decays of heads", "decays of key channels", "gated delta rule", "exponential gates"]
    assert list(results) == [
        "nn.LSTM",
        "linear_scan over outer products",
        *forms,
        "core ret_net",
        "core mlstm",
    ]
    assert all(result["milliseconds"] > 0 and result["peak_mebibytes"] > 0 for result in results.values())
    assert results["nn.LSTM"]["to_lstm"] == results["linear_scan over outer products"]["to_scan"] == 1.0
    assert "fwd+bwd ms" in capsys.readouterr().out


def test_a_core_of_another_family_is_refused(capsys):
    assert benchmark.command(["matrix", *SMALL, "cores=[lstm]"]) == 2
    assert "lstm" in capsys.readouterr().err
