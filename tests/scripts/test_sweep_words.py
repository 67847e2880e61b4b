"""The words of a sweep: axes in Hydra's grammar, ranges, patterns, numbers written one way."""

import pytest

from engram import envs
from engram.command_line.axes import axis_values, split_words
from engram.common.errors import UsageError


def test_words_are_parted():
    words = ["core=lstm,gru", "seed=0..2", "num_envs=4", "allow=[a,b]", "+core.x={a:1,b:2}", "env.id='a,b'"]
    options, axes = split_words(words)
    assert axes == {"core": ["lstm", "gru"], "seed": ["0", "1", "2"]}
    assert options == {"num_envs": "4", "allow": "[a,b]", "+core.x": "{a:1,b:2}", "env.id": "'a,b'"}


def test_the_last_word_about_an_option_rules():
    assert split_words(["seed=0..2", "seed=7"]) == ({"seed": "7"}, {})
    assert split_words(["seed=7", "seed=0..1"]) == ({}, {"seed": ["0", "1"]})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1e-3,3.0e-4", ["0.001", "0.0003"]),
        ("0..2,7", ["0", "1", "2", "7"]),
        ("-1..1", ["-1", "0", "1"]),
        ("-3..-2,5", ["-3", "-2", "5"]),
        ("01,007,00.50,0x10,1_000", ["01", "007", "00.50", "0x10", "1000"]),
        ("'1',1,\"a b\",'x,y'", ["'1'", "1", "a b", "'x,y'"]),
        ([0.001, True, None, "0..1", [128, 128]], ["0.001", "true", "null", "0", "1", "[128,128]"]),
        ([5], ["5"]),
        ("5", None),
        ("4..4", ["4"]),
        ("'4..4'", None),
        ("choice(a,'1',[x])", ["a", "'1'", "[x]"]),
        ("choice(7)", ["7"]),
        ("range(0,5,2)", ["0", "2", "4"]),
        ("range(0.5,2,0.5)", ["0.5", "1.0", "1.5"]),
        (["range(2)", "4..5", "a,b"], ["0", "1", "4", "5", "a", "b"]),
        ("sort(3,1)", ["1", "3"]),
        ("a=b", None),
    ],
)
def test_values_of_an_axis(value, expected):
    assert axis_values("agent.x", value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1e-3,0.001", ["0.001"]), ("'a',\"a\",a", ["a"]), ("0..2,1", ["0", "1", "2"]), ([5, "5"], ["5"])],
)
def test_equal_values_are_one_and_this_is_said(value, expected):
    with pytest.warns(
        UserWarning, match=f"names {expected[-1] if expected != ['0', '1', '2'] else 1} more than once"
    ):
        assert axis_values("agent.x", value) == expected


def test_patterns_name_tasks():
    every = axis_values("env", ["popgym/*_easy", "popgym/*_medium", "popgym/*_hard"])
    assert sorted(every) == sorted(
        name for name, task in envs.TASKS.items() if task.general and name.startswith("popgym/")
    )
    assert len(every) == 48
    assert axis_values("env.id", "a*") is None
    easy = axis_values("env", "popgym/*_easy")
    assert axis_values("env", "glob(popgym/*_easy)") == easy and len(easy) > 10
    rest = axis_values("env", "glob([popgym/*_easy,popgym/*_hard],exclude=*_hard)")
    assert rest == easy


@pytest.mark.parametrize(
    "word", ["seed=0,,1", "seed=3..1", "seed=1..-1", "seed=01..03", "env=popgm/*_easy", "word", "=3"]
)
def test_wrong_words(word):
    with pytest.raises(UsageError):
        split_words([word])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seed=0,,1", "a value between any two commas, but got seed=0,,1; write seed=a,b"),
        ("seed=range(3,3)", r"but got seed=range\(3,3\)"),
        (
            "core.x=interval(0,1)",
            r"but got core\.x=interval\(0,1\); write core\.x=a,b, core",
        ),
        ("env.id=glob(*)", r"env\.id=\* fits none"),
    ],
)
def test_what_names_no_values(word, sentence):
    with pytest.raises(UsageError, match=sentence):
        split_words([word])
