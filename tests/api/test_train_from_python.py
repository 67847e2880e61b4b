"""`engram.train`, `Run` and `engram.load`: what the commands do, by the same words."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import yaml
from hydra import initialize
from hydra.core.global_hydra import GlobalHydra
from python_runs import QUIET, TINY, lines, same_weights

import engram
from engram.command_line.as_words import as_words
from engram.scripts import evaluate, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return engram.train(**TINY, logging=QUIET["logging"] | {"runs_dir": tmp_path_factory.mktemp("runs")})


def test_a_run_is_that_of_the_command(run, tmp_path):
    words = as_words({**TINY, "logging": QUIET["logging"] | {"runs_dir": tmp_path}})
    assert train.command(words) == 0
    other = engram.Run(tmp_path)
    configs = [yaml.safe_load((one.path / "config.yaml").read_text()) for one in (run, other)]
    for config in configs:
        config["logging"].pop("runs_dir")
    assert configs[0] == configs[1]
    assert configs[0]["core"]["hidden_size"] == 8 and configs[0]["agent"]["gamma"] == 0.95
    assert len(lines(run)) > 2 and lines(run) == lines(other)
    assert same_weights(run, other)
    assert {path.name for path in run.path.iterdir()} == {path.name for path in other.path.iterdir()}
    assert run.path.parent.name == "ppo-gru"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"core": "s5", "seed": 1}, ["core=s5", "seed=1"]),
        ({"core": {"name": "s5", "hidden_size": 64}}, ["core=s5", "core.hidden_size=64"]),
        ({"agent": {"learning_rate": 1e-4}}, ["agent.learning_rate=0.0001"]),
        ({"core.hidden_size": 64, "env.delay": 2}, ["core.hidden_size=64", "env.delay=2"]),
        (
            {"evaluation": {"interval": None, "env": {"delay": 4}}},
            ["evaluation.interval=null", "evaluation.env.delay=4"],
        ),
        ({"evaluation": {"env": {}}}, ["evaluation.env={}"]),
        ({"env": "CartPole-v1"}, ["env=gymnasium", "env.id=CartPole-v1"]),
        ({"env": "my_module:Env-v0"}, ["env=gymnasium", "env.id=my_module:Env-v0"]),
        ({"env": {"name": "gymnasium", "id": "CartPole-v1"}}, ["env=gymnasium", "env.id=CartPole-v1"]),
        (
            {"core": {"name": "custom", "_target_": "mine.Core", "width": 3}, "allow": ["mine"]},
            ["core=custom", "++core._target_=mine.Core", "++core.width=3", "allow=[mine]"],
        ),
        ({"threads": torch.tensor(2), "profile": True}, ["threads=2", "profile=true"]),
        ({"logging": {"run_dir": Path("a b/c,d")}}, ["logging.run_dir='a b/c,d'"]),
    ],
)
def test_options_are_words(options, words):
    assert as_words(options) == words


@pytest.mark.parametrize(
    "options",
    [
        {"core": "s6"},
        {"seed": -1},
        {"agent": {"learnig_rate": 1}},
        {"unknown": 1},
        {"env": "popgym/repeat_previous_esy"},
        {"env": "diagnostic/recall_first", "env.delay": 0.5},
        {"experiment": "none_such"},
        {"resume": "nowhere"},
        {"core": "lstm,gru"},
        {"core": {"name": "gru", "_target_": "os.system"}},
    ],
)
def test_a_wrong_option_has_the_sentence_of_the_command(options, tmp_path, capsys):
    given = {"logging.runs_dir": str(tmp_path), **options}
    with pytest.raises(ValueError) as told:
        engram.train(**given)
    assert type(told.value) is engram.RunError and "\n" not in str(told.value)
    capsys.readouterr()
    assert train.command(as_words(given)) == 2
    assert capsys.readouterr().err == f"error: {told.value}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"core": 3},
            "core must be a name, or a mapping of its options with the name under 'name', but got 3",
        ),
        (
            {"seed": {1, 2}},
            "seed must be None, a number, a word, or a list or mapping of such, but got {1, 2}",
        ),
    ],
)
def test_what_no_command_can_say_is_refused(options, sentence):
    with pytest.raises(engram.RunError, match=re.escape(sentence)):
        engram.train(**options)


def test_a_run_goes_on_in_its_folder(tmp_path):
    logging = QUIET["logging"] | {"run_dir": tmp_path / "it's $one, two"}
    first = engram.train(**TINY, logging=logging)
    again = engram.train(resume=first, total_env_steps=600)
    assert again.path == first.path == Path(logging["run_dir"])
    assert lines(again)[-1]["env_steps"] >= 600
    with pytest.raises(engram.RunError, match="A continued run keeps its own configuration"):
        engram.train(resume=first, seed=3)


def test_an_evaluation_is_that_of_the_command(run, tmp_path):
    options = {"episodes": 6, "num_envs": 2, "env": {"delay": 3}, "seed": 7}
    found = run.evaluate(output=tmp_path / "python", **options)
    words = as_words({"run": run, "output": tmp_path / "command", **options}, chosen=())
    assert evaluate.command(words) == 0
    stored = [json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("python", "command")]
    assert stored[0] == stored[1]
    assert found.items() <= stored[0].items() and len(found["returns"]) == 6
    probed = run.evaluate(
        episodes=2, num_envs=2, output=tmp_path, probe={"argument": "delay", "values": [1, 2]}
    )
    assert [point["value"] for point in probed["points"]] == [1, 2]
    with pytest.raises(engram.RunError, match="episodes must be a whole number of at least 1, but got 0"):
        run.evaluate(episodes=0)


def test_an_evaluation_says_nothing_of_itself(run, tmp_path, capsys):
    run.evaluate(episodes=2, num_envs=2, output=tmp_path)
    assert capsys.readouterr().out == ""


def test_the_agent_of_a_run(run):
    one, two = run.agent, engram.load(run.path.parent)
    assert one is run.agent and one is not two
    ours, theirs = one.network.state_dict(), two.network.state_dict()
    assert len(ours) > 5 and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert engram.load(run, "latest").num_updates > 0
    with pytest.raises(FileNotFoundError):
        engram.load("nowhere")


def test_a_report(run):
    report = run.plot(figures=False)
    assert report == run.path / "report" and (report / "index.html").is_file()


class Signal(engram.Callback):
    """Sends this process a signal at its third update."""

    def __init__(self, number):
        self.number, self.updates = number, 0

    def on_update(self, trainer, metrics):
        self.updates += 1
        if self.updates == 3:
            signal.raise_signal(self.number)


@pytest.fixture
def heeds_interrupts():
    """Interrupts as in a terminal: what starts the tests in the background may have them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupted_run_is_saved_and_goes_on(tmp_path):
    options = TINY | {"total_env_steps": 50_000, "evaluation": {"interval": None}}
    options |= {"logging": QUIET["logging"] | {"run_dir": tmp_path / "run"}}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        engram.train(**options, callbacks=[Signal(signal.SIGINT)])
    assert signal.getsignal(signal.SIGINT) is before
    stopped = lines(engram.Run(tmp_path / "run"))[-1]["env_steps"]
    run = engram.train(resume=tmp_path / "run", total_env_steps=stopped + 200)
    assert stopped < lines(run)[-1]["env_steps"] <= stopped + 300


def test_a_handler_of_ones_own_is_called_once_the_run_is_saved(tmp_path):
    options = TINY | {"total_env_steps": 50_000, "evaluation": {"interval": None}}
    saved = tmp_path / "run" / "checkpoints" / "latest.safetensors"
    seen = []

    def handle(number, frame):
        seen.append((number, saved.stat().st_mtime_ns))

    before = signal.signal(signal.SIGTERM, handle)
    try:
        logging = QUIET["logging"] | {"run_dir": tmp_path / "run"}
        run = engram.train(**options, logging=logging, callbacks=[Signal(signal.SIGTERM)])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [(signal.SIGTERM, saved.stat().st_mtime_ns)]
    assert len(lines(run)) == 3


def test_a_second_interrupt_ends_the_run_and_not_the_process(tmp_path):
    """As in a notebook, whose kernel must live on."""
    code = f"""
import os, signal, threading, time, engram
from engram.training.session import Session
signal.signal(signal.SIGINT, signal.default_int_handler)
def train(session, hooks):
    for _ in range(2):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(0.7)
    time.sleep(60)
Session.train = train
try:
    engram.train(**{TINY | QUIET!r})
except KeyboardInterrupt:
    print("alive", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert found.stdout == "alive True\n", found.stderr


def test_a_run_in_a_thread_leaves_signals_alone(tmp_path):
    before, found = signal.getsignal(signal.SIGINT), []
    options = TINY | {"logging": QUIET["logging"] | {"run_dir": tmp_path / "run"}}
    thread = threading.Thread(target=lambda: found.append(engram.train(**options)))
    thread.start()
    assert signal.getsignal(signal.SIGINT) is before
    thread.join()
    assert lines(found[0])[-1]["env_steps"] >= 400


def test_what_belongs_to_the_process_stays_as_it_was(tmp_path):
    torch.set_num_threads(2)
    try:
        with initialize(version_base="1.3"):
            own = GlobalHydra.instance().hydra
            engram.train(**TINY, threads=1, logging=QUIET["logging"] | {"run_dir": tmp_path / "run"})
            assert own is not None and GlobalHydra.instance().hydra is own
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_importing_engram_loads_nothing():
    code = (
        "import sys, engram\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules, set(engram.__all__) <= set(dir(engram)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False False True\n"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        engram.trian  # noqa: B018
