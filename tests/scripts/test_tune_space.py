"""What a search may choose from, as it is written, and how a run's evaluations become its score."""

import pytest

from engram.common.errors import UsageError
from engram.scripts.tuning.curves import read_curve, score_curve
from engram.scripts.tuning.space import Choice, Range, read_dimension


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1e-4..1e-2:log", Range(1e-4, 1e-2, log=True)),
        ("0.5..0.99", Range(0.5, 0.99)),
        ("-1..1", Range(-1, 1)),
        ("16..256:log", Range(16, 256, log=True)),
        ({"low": 1e-4, "high": 1e-2, "log": True}, Range(1e-4, 1e-2, log=True)),
        ("{low:1e-4,high:1e-2,log:true}", Range(1e-4, 1e-2, log=True)),
        ("tag(log,interval(1e-4,1e-2))", Range(1e-4, 1e-2, log=True)),
        ("interval(0.1,0.9)", Range(0.1, 0.9)),
        ("64,128", Choice(("64", "128"))),
        ("choice(relu,tanh)", Choice(("relu", "tanh"))),
        ([1e-3, 2e-3], Choice(("0.001", "0.002"))),
        ("[64],[64,64]", Choice(("[64]", "[64,64]"))),
        ("1e-3", None),
        ("relu", None),
        ("[64,64]", None),
    ],
)
def test_spellings(given, expected):
    assert read_dimension("agent.x", given) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("1e-2..1e-4", "from its lowest to its highest value"),
        ("a..b", "from one number to another, but agent.x got a..b"),
        ("0..1:log", "begins above 0"),
        ("1..8:lin", "may be logarithmic, but got agent.x=1..8:lin"),
        ({"low": 1}, "is {low: …, high: …, log: true}"),
        ({"low": 1, "high": True}, "from one number to another"),
        ("a,,b", "needs a value between any two commas"),
    ],
)
def test_wrong_ranges(given, sentence):
    with pytest.raises(UsageError, match=sentence.replace("{", r"\{")):
        read_dimension("agent.x", given)


@pytest.mark.parametrize(
    ("dimension", "value", "word"),
    [
        (Range(1e-4, 1e-2, log=True), 0.00123456789, "0.001235"),
        (Range(1e-4, 1e-2, log=True), 1e-2, "0.01"),
        (Range(0.5, 1.0), 0.76543210, "0.7654"),
        (Range(0.99, 0.9999), 0.99912345, "0.999123"),
        (Range(1, 1000), 37, "37"),
        (Range(0.0, 100.0), 12.3456, "12.3"),
    ],
)
def test_a_number_has_as_many_digits_as_it_needs(dimension, value, word):
    assert dimension.word(value) == word


CURVE = [(100, 0.0), (200, 1.0), (400, 0.5)]


@pytest.mark.parametrize(
    ("score", "direction", "end", "expected"),
    [
        ("last", "maximize", None, 0.5),
        ("best", "maximize", None, 1.0),
        ("best", "minimize", None, 0.0),
        ("area", "maximize", None, (50 + 150) / 300),
        ("area", "maximize", 700, (50 + 150 + 150) / 600),  # solved at 400, it keeps its last value
    ],
)
def test_scores(score, direction, end, expected):
    assert score_curve(CURVE, score, direction, end) == pytest.approx(expected)
    assert score_curve([(100, 0.25)], score, direction) == 0.25


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    lines = [f'{{"env_steps": {step}, "eval/x": {value}}}\n' for step, value in CURVE]
    (tmp_path / "metrics.jsonl").write_text(
        '{"env_steps": 50}\n' + "".join(lines) + '{"env_steps": 500, "eval/x": 0.'
    )
    assert read_curve(tmp_path, "eval/x") == CURVE
    assert read_curve(tmp_path, "eval/y") == [] == read_curve(tmp_path / "none", "eval/x")
