"""The benchmark of cores runs, writes and draws; nothing here asserts how long anything takes."""

import json
import re

import pytest
import torch

from engram.benchmarks import core_figure
from engram.benchmarks.command import command
from engram.benchmarks.core_options import Options, expand
from engram.benchmarks.core_peers import Rows, make_peers, make_torchrl_lstm, published_ffm
from engram.benchmarks.core_report import draw
from engram.benchmarks.core_timing import Cell, foresee
from engram.benchmarks.cores import make_contenders
from engram.benchmarks.timing import copy_bandwidth, in_turn, peak_memory
from engram.memory_cores import FFM, LSTM
from engram.tools.core_files import core_families, core_maker, core_names

CPU = torch.device("cpu")
TINY = (
    "cores=[lstm,s5]",
    "hidden_size=8",
    "input_size=4",
    "batch_size=2",
    "lengths=[4,8]",
    "acting_rows=[3,7]",
    "repeats=1",
    "budget_s=1000",  # on a busy machine compiling alone takes longer than the default
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A tiny benchmark: its exit code and its folder."""
    folder = tmp_path_factory.mktemp("benchmark")
    return command(["cores", *TINY, f"output={folder}/cores.json", f"plot={folder}/cores.png"]), folder


def test_json_holds_every_cell(ran):
    code, folder = ran
    assert code == 0
    document = json.loads((folder / "cores.json").read_text())
    assert document["config"]["lengths"] == [4, 8] and document["versions"]["torch"]
    cells = {(cell["name"], cell["length"], cell["reset_rate"]): cell for cell in document["cells"]}
    assert len(cells) == len(document["cells"])
    for name in ("lstm", "s5", "torchrl LSTM pad", "torchrl LSTM scan"):
        for length in (4, 8):
            for rate in (0, 0.03):
                cell = cells[name, length, rate]
                assert cell["skipped"] is None
                assert set(cell["seconds"]) == set(cell["peak_bytes"]) == {"forward", "training"}
                assert 0 < cell["peak_bytes"]["forward"] <= cell["peak_bytes"]["training"]
    for name in ("nn.LSTM", "s5's scan floor"):
        assert (name, 8, None) in cells
    assert not {"nn.GRU", "ffm as published"} & {name for name, _, _ in cells}, "peers of cores not asked for"
    compared = {(ratio["core"], ratio["peer"]) for ratio in document["ratios"]}
    assert ("lstm", "nn.LSTM") in compared and ("s5", "s5's scan floor") in compared
    assert [(part["name"], part["row"]) for part in document["acting"]] == [
        (name, row) for name in ("lstm", "s5") for row in (3, 7)
    ]
    assert document["cores"]["lstm"]["carry_bytes"] == 2 * 8 * 4


def test_picture(ran):
    assert (ran[1] / "cores.png").read_bytes().startswith(b"\x89PNG")


def test_a_family_stands_for_its_cores():
    names = expand(["mlp", "matrix", "mlp"])
    assert names[0] == "mlp" and "ret_net" in names and names.count("mlp") == 1
    assert sorted(name for family in core_families().values() for name in family) == core_names()


def test_a_panel_for_each_family(monkeypatch, tmp_path):
    """Each line once, at the larger reset rate; the library's LSTM in all panels, and a floor in none."""
    drawn = []
    monkeypatch.setattr(core_figure, "draw_core_times", lambda *args, **words: drawn.append((args, words)))
    names = ("gru", "s5", "lstm", "nn.LSTM", "nn.GRU", "s5's scan floor")
    cells = [
        Cell(name, length, rate, {"training": length + 10 * (rate or 0)}, {})
        for name in names
        for rate in ((0.0, 0.5) if name in ("gru", "s5", "lstm") else (None,))
        for length in (4, 8)
    ]
    cells += [Cell("lstm", 16, 0.0, {"training": 1.0}, {}), Cell("lstm", 16, 0.5, {}, {}, "too slow")]
    cores = {name: core_maker(name, 8)(input_size=4) for name in ("gru", "s5", "lstm")}
    contenders, _ = make_contenders(cores, Options(cores=("gru", "s5", "lstm"), hidden_size=8))
    draw(tmp_path / "cores.png", "title", cells, contenders, cores)
    (((_, _, panels), words),) = drawn
    assert {family: list(lines) for family, lines in panels.items()} == {
        "scan": ["s5", "nn.LSTM"],
        "loop": ["gru", "lstm", "nn.LSTM", "nn.GRU"],
    }
    assert panels["loop"]["lstm"] == [(4, 9.0), (8, 13.0)] and panels["scan"]["nn.LSTM"] == [
        (4, 4.0),
        (8, 8.0),
    ]
    assert not words["dashed"] & set(cores)


def test_table(capsys):
    assert command(["cores", *TINY, "cores=[gru]", "peers=false", "lengths=[4]", "reset_rates=[0.5]"]) == 0
    out = capsys.readouterr().out
    assert "forward and backward, ms (reset rate 0.5)" in out and "peak memory" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("gru ")]
    assert len(lines) == 4 and all(
        float(number.replace(",", "")) > 0 for line in lines for number in line[1:]
    )


def test_acting_alone(capsys):
    assert command(["cores", *TINY, "lengths=[]"]) == 0
    out = capsys.readouterr().out
    assert "one step of 2 environments" in out and "forward" not in out


def test_a_slow_cell_is_skipped_and_said_so(capsys):
    assert command(["cores", *TINY, "peers=false", "budget_s=1e-9"]) == 0
    assert "skipped: lstm, T=4: one round takes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("budget", "reason"), [("budget_s", "budget_s=1e-06"), ("budget_gib", "budget_gib=1e-06")]
)
def test_what_a_shorter_length_foretells(budget, reason):
    options = Options(**{"budget_s": 100, "budget_gib": 1, budget: 1e-6})
    cell = Cell("lstm", 10, 0.0, {"training": 1e-3}, {"training": 1 << 20})
    assert reason in foresee(cell, 20, options)
    assert foresee(None, 20, options) is None


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cores=[lstm,ltsm]", "A core must be one of .*lstm.*'ltsm'"),
        ("cores=lstm", r"cores must be all, or a list of names, but got 'lstm'; set cores=\[lstm\]"),
        ("cores=[os.system]", "must be defined in one of the packages"),
        (
            "lengths=[0]",
            "lengths must be a list whose parts are each a whole number of at least 1, or null, but got",
        ),
        ("reset_rates=[2]", "reset_rates must be"),
        ("dtype=float16", "dtype must be one of float32, bfloat16"),
        ("device=abc", "device must be one of cpu"),
        ("plot=no_such_folder/cores.png", "folder that exists"),
        ("plot=cores.svg", r"must end in \.png"),
        ("lengths=[] plot=cores.png", r"got lengths=\[\]"),
        ("repeat=3", "did you mean 'repeats'"),
    ],
)
def test_a_wrong_option_is_one_sentence(capsys, word, message):
    assert command(["cores", *TINY, *word.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and len(error.splitlines()) == 1 and re.search(message, error), error


def test_help_names_the_command(capsys):
    assert command(["cores", "--help"]) == 0
    assert "usage: engram benchmark cores" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.card
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_on_a_gpu(tmp_path, dtype):
    words = ["cores=all", "hidden_size=16", "device=cuda", f"dtype={dtype}", f"output={tmp_path}/cores.json"]
    assert command(["cores", *TINY, *words]) == 0
    cells = json.loads((tmp_path / "cores.json").read_text())["cells"]
    failed = [cell for cell in cells if cell["skipped"] and not cell["name"].startswith("torchrl")]
    assert cells and not failed


def test_published_ffm_is_ours_without_resets():
    torch.manual_seed(0)
    core = FFM(4, 8, memory_size=3)
    x = torch.randn(2, 50, 4)
    expected, _ = core(x, core.initial_carry(2), torch.zeros(2, 50, dtype=torch.bool))
    torch.testing.assert_close(published_ffm(core, x, block=20), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["pad", "scan"])
def test_torchrl_lstm_is_ours(backend):
    from torchrl.modules import LSTMModule

    torch.manual_seed(0)
    core, peer = LSTM(4, 8), make_torchrl_lstm(LSTMModule, backend, 4, 8, CPU)
    for ours, theirs in zip(core.parameters(), peer.parameters, strict=True):
        theirs.data.copy_(ours.data)
    x, is_first = torch.randn(2, 20, 4), torch.rand(2, 20) < 0.2
    expected, _ = core(x, core.initial_carry(2), is_first)
    torch.testing.assert_close(peer.prepare(Rows(x, is_first, is_first))(), expected)


def test_peers_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchrl.modules", None)
    peers, notes = make_peers(4, 8, CPU)
    assert [peer.name for peer in peers] == ["nn.LSTM", "nn.GRU", "ffm as published"]
    assert len(notes) == 1 and "torchrl is not installed" in notes[0]


def test_peak_memory_counts_tensors():
    megabyte = 1 << 20

    def call():
        first = torch.zeros(megabyte, dtype=torch.uint8)
        second = first + first
        del first
        return torch.cat([second, second])

    assert 3 * megabyte <= peak_memory(call, CPU) < 3.1 * megabyte


def test_calls_are_made_in_turn():
    made = []
    count = iter(range(9))
    calls = {name: lambda name=name: made.append(name) or next(count) for name in "ab"}
    assert in_turn(calls, 2, warm_up=1) == {"a": [2, 4], "b": [3, 5]}, "what warms up does not count"
    assert made == ["a", "b"] * 3


def test_copy_bandwidth_is_a_number():
    assert copy_bandwidth(CPU, torch.float32, 1000) > 0
