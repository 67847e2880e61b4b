"""The words of a sweep: axes, ranges, patterns, numbers written one way."""

import pytest

from engram import envs
from engram.common.errors import UsageError
from engram.scripts.sweeps.words import axis_values, split_words


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
    assert sorted(every) == sorted(name for name, task in envs.TASKS.items() if task.general)
    assert len(every) == 48
    assert axis_values("env.id", "a*") is None


@pytest.mark.parametrize(
    "word", ["seed=0,,1", "seed=3..1", "seed=1..-1", "seed=01..03", "env=popgm/*_easy", "word", "=3"]
)
def test_wrong_words(word):
    with pytest.raises(UsageError):
        split_words([word])
