"""The first things that a newcomer types, and what each of them says."""

import re
import shutil

import pytest
import torch

from engram.agents import load
from engram.scripts import cli
from run_files import TINY

SMALL = [word for word in TINY if not word.startswith(("core", "total_env_steps"))]
# Command and words → exit code, and what is said: a whole line, numbers that vary left open.
REFUSED = {
    "train core=transformer": r"error: core must be one of transformer_xl … \(\d+ in all\), but got 'transformer'; "
    "engram train --help all lists all.",
    "train --core=s5": "error: An option is written without dashes, key=value, but got '--core=s5'; write core=s5.",
    "train env=CartPole-v1": r"error: env must be one of the \d+ of --help, but got 'CartPole-v1'; write env=gymnasium "
    r"env\.id=CartPole-v1\.",
    "train core=s5,gru seed=0..4": "error: Training takes one value of every option, but got core=s5,gru; to train all "
    r"of them: engram sweep core=s5,gru seed=0\.\.4.",
    "train total_env_steps=10k": "error: total_env_steps must be a whole number of at least 1, but got '10k'; set "
    "total_env_steps=10_000.",
    "train num_envs=0": "error: num_envs must be a whole number of at least 1, but got 0; set num_envs=64.",
    "train agent.lr=1e-3": "error: An option must exist in the configuration, but 'agent.lr' does not; did you mean "
    r"'agent.learning_rate'\? --help all lists all options.",
    "train allow=my_cores core=custom core._target_=my_cores.Core": "error: allow must be a list of package names, but "
    r"got 'my_cores'; set allow=\[my_cores\].",
    "evaluate run=runs": "error: A run's folder holds a config.yaml, but runs has none; give a folder that training "
    "wrote, such as .*",
    "evaluate": "error: run has no default, so it must be given: run=<value>.",
    "export run=runs": "error: A run's folder holds a config.yaml, but runs has none; give a folder that training "
    "wrote, such as .*",
    "export run=runs format=tflite": "error: format must be one of onnx, torch, but got 'tflite'; set format=onnx.",
    "plot runs=runs": r"error: .*runs.*",
    "benchmark core": "error: A benchmark is one of .*cores.*, but got 'core'; name one of these.",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_is_one_sentence(tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    command, *words = line.split()
    code = cli._command(command)(words)
    said = capsys.readouterr().err
    assert code == 2
    assert re.fullmatch(REFUSED[line] + "\n", said), said
    assert not list(tmp_path.iterdir())


def test_the_first_run_says_what_it_does(run, tmp_path):
    result = run("train", "core=gru", "core.hidden_size=16", "total_env_steps=1e2", *SMALL, cwd=tmp_path)
    assert result.code == 0, result.err
    task, agent, budget, folder, *_, last = result.err.splitlines()
    assert task.startswith(
        "popgym/repeat_previous_easy: observations Discrete(4), actions Discrete(4); return: chance -0.496"
    )
    assert re.fullmatch(r"ppo with gru: [\d,]+ parameters, [\d,]+ in the core; on cpu", agent)
    assert budget.startswith("100 steps in 4 environments; a checkpoint every 200")
    assert folder.startswith("training in runs/popgym/repeat_previous_easy/ppo-gru/0-")
    assert re.fullmatch(r"done after \d+ environment steps, last evaluation -?\d\.\d+: runs/.*", last)


def test_a_finished_run_is_evaluated_and_continued(run, trained, tmp_path):
    trained = shutil.copytree(trained, tmp_path / "run")
    evaluated = run("evaluate", f"run={trained}", "episodes=2", "num_envs=2")
    assert re.match(
        r"popgym/repeat_previous_easy: return -?\d\.\d+ ± \d\.\d+ over 2 episodes\n", evaluated.out
    )
    again = run("train", f"resume={trained}", "total_env_steps=6e2")
    assert again.code == 0 and f"continuing in {trained}" in again.err


def test_a_finished_run_is_exported(run, trained, tmp_path):
    output = tmp_path / "agent.pt2"
    exported = run("export", f"run={trained}", "format=torch", f"output={output}")
    assert exported.code == 0 and exported.out == f"written: {output}\n"
    module = torch.export.load(output).module()
    agent = load(trained)
    memory = agent.initial_memory(1)["core"]
    inputs = {
        "obs": torch.ones(1).long(),
        "prev_action": torch.zeros(1).long(),
        "is_first": torch.ones(1).bool(),
        **{f"memory.core.{name}": memory[name] for name in ("hidden", "cell")},
    }
    found = module(inputs)
    assert found["policy"].shape == (1, 4) and 0 <= found["action"] < 4


def test_help_comes_first(run):
    for command, word in (
        ("train", "core.hidden_size=256"),
        ("sweep", "sweep.workers=null"),
        ("plot", "metric:"),
    ):
        result = run(command, "--help", "all")
        assert result.code == 0 and word in result.out
