"""Words of the command line: one reading of a value, one way to write it, paths as they are."""

import os
import shlex
import shutil
import subprocess

import pytest
from synthetic_runs import write_run

from engram.benchmarks.command import make_options
from engram.command_line.axes import split_words
from engram.command_line.config import compose_config
from engram.command_line.paths import expand, expand_paths, literal_path, quote_paths
from engram.command_line.resuming import resumed_config
from engram.command_line.words import normal, parse_value, write_value
from engram.common.errors import UsageError
from engram.common.shell import command_line, shell_word
from engram.scripts.train import main as train

VALUES = {
    "01": "01",
    "007": "007",
    "00.50": "00.50",
    "0x10": "0x10",
    "1e3": 1000.0,
    "1_000": 1000,
    "1e-05": 0.00001,
    "+7": 7,
    "null": None,
    "TRUE": True,
    "'true'": "true",
    "'01'": "01",
    '"a"': "a",
    "a b": "a b",
    "cuda:1": "cuda:1",
    "[1,'x,y',[null]]": [1, "x,y", [None]],
    "{a:1,b:[x,'2']}": {"a": 1, "b": ["x", "2"]},
}


def test_a_value_means_the_same_to_training_and_to_a_sweep():
    """A sweep writes a word in its own way before it hands it to training."""
    names = [f"v{index}" for index in range(len(VALUES))]
    given = [f"+core.{name}={text}" for name, text in zip(names, VALUES, strict=True)]
    handed_on = [f"+core.{name}={normal(text)}" for name, text in zip(names, VALUES, strict=True)]
    for words in (given, handed_on):
        core = compose_config("train", words).values["core"]
        found = [core[name] for name in names]
        assert found == list(VALUES.values())
        assert [type(value) for value in found] == [type(value) for value in VALUES.values()]


@pytest.mark.parametrize(
    "value", [*VALUES.values(), 'it\'s "so"', "a\\b", "x,y", "", " a ", "1", "null", "[", "é", "a=b", 1e-7]
)
def test_a_written_value_is_read_back(value):
    assert parse_value(write_value(value)) == value
    assert normal(write_value(value)) == write_value(value)


@pytest.mark.parametrize("text", ["a,b", "a=b", "(", "range(1,3)"])
def test_what_is_no_single_value(text):
    with pytest.raises(ValueError, match="but got"):
        parse_value(text)
    assert normal(text) == text


def test_a_continued_run_reads_words_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = resumed_config(
        write_run(tmp_path), ["total_env_steps=1_000", "device=cuda:1", "logging.runs_dir=~/01"]
    )
    assert (config["total_env_steps"], config["device"]) == (1000, "cuda:1")
    assert config["logging"]["runs_dir"] == "/home/me/01"


def test_a_command_is_quoted_for_the_shell():
    words = ["env.id=a b", "env.kwargs.x={a:1}", "core.name='x'", "seed=1"]
    line = command_line("train", words)
    assert line == "engram train 'env.id=a b' 'env.kwargs.x={a:1}' 'core.name='\"'\"'x'\"'\"'' seed=1"
    assert shlex.split(line)[2:] == words


NAMES = [
    "~/runs",
    "a=b",
    "2024",
    "1e3",
    "é",
    "a b",
    "a#b",
    "(x)",
    "it's",
    "x,y",
    "01",
    "true",
    "a\\b",
    "a\\\\b",
]
ODD_NAMES = [
    "trail ",
    " lead",
    "\\,x",
    "x\\",
    "x\\\\",
    "[a]",
    "{b}",
    "$HOME",
    "100%",
    "a\nb",
    "-a",
    'a "b"',
    "a:b;#&",
    "*",
]


@pytest.mark.parametrize(
    "name", [*NAMES, *ODD_NAMES, "\x1b[31m", "\u202ea", "a|b", "`id`", "0..4", "x" * 200]
)
def test_any_name_of_a_file_is_a_path(name):
    for text in (name, write_value(name)):
        (word,) = quote_paths([f"run={text}"])
        assert parse_value(word.removeprefix("run=")) == name
    assert split_words([f"sweep.dir={name}"]) == ({"sweep.dir": name}, {})


@pytest.mark.parametrize("name", ["${oc.env:HOME}", "a\\${b}", "\\\\${b}", "$HOME", "a\\b", "it's ${x}, [y]"])
def test_a_path_that_a_command_writes_stands_for_nothing_else(name):
    config = compose_config("train", [f"logging.run_dir={literal_path(name)}"]).values
    assert config["logging"]["run_dir"] == name


def test_what_is_no_unicode_is_refused_by_name():
    with pytest.raises(
        UsageError, match=r"written in UTF-8, but got run=/tmp/a\\udcff; where that is the name"
    ):
        compose_config("evaluate", ["run=/tmp/a\udcff"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_shell_reads_what_cannot_be_seen():
    words = ["resume=/tmp/a\nb", "resume=\x1b[31m'é\\n\\x41\u202e", os.fsdecode(b"run=\xff1 $HOME"), "a b'c"]
    line = " ".join(map(shell_word, words))
    assert line.isprintable() and shell_word("seed=1") == "seed=1"
    read = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert read.split(b"\0")[:-1] == list(map(os.fsencode, words))


def test_every_path_option_expands(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = compose_config("evaluate", ["run=~/r", "against=~", "output='~/o'", "checkpoint=best"]).values
    assert (values["run"], values["against"], values["output"]) == ("/home/me/r", "/home/me", "/home/me/o")
    values = compose_config("plot", ["runs=[~/a, b/~c, '~/d']", "output=null"]).values
    assert values["runs"] == ["/home/me/a", "b/~c", "/home/me/d"] and values["output"] is None
    values = compose_config("sweep", ["sweep.dir=~/s", "logging.run_dir=~/t"]).values
    assert values["sweep"]["dir"] == "/home/me/s" and values["logging"]["run_dir"] == "/home/me/t"
    options = make_options("cores", ["output=~/b.json", "plot=~/b.png"])
    assert (options.output, options.plot) == ("/home/me/b.json", "/home/me/b.png")
    assert expand_paths({"env": {"run": "~/kept"}, "run": "~/r"}) == {
        "env": {"run": "~/kept"},
        "run": "/home/me/r",
    }
    assert quote_paths(["core.x=~/x", "core=gru"]) == ["core.x=~/x", "core=gru"]
    with pytest.raises(UsageError, match="'~nobody-of-this-name/x' has none"):
        expand("~nobody-of-this-name/x")


def test_a_run_is_continued_from_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    with pytest.raises(UsageError, match="/home/me/runs/none has none"):
        train(["resume=~/runs/none"])
