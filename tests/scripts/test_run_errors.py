"""A run's folder that is damaged, foreign or hostile is refused in one sentence and left as it is."""

import shutil

import pytest
import torch
import yaml
from toy_modules import write_modules

from engram import agents
from run_files import TINY, assert_refused, forge, snapshot


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of a finished run, to be spoilt."""
    return shutil.copytree(trained, tmp_path / "copied")


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_a_checkpoint_of_another_core(run, copied, tmp_path, command):
    other = run(
        "train", *TINY, "core=gru", f"logging.runs_dir={tmp_path / 'gru'}", "evaluation.interval=null"
    )
    shutil.rmtree(copied / "checkpoints")
    shutil.copytree(other.run_dir / "checkpoints", copied / "checkpoints")
    before = snapshot(copied)
    assert_refused(go_on(run, command, copied), "was saved with another configuration than that of this run")
    assert snapshot(copied) == before


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_damaged_checkpoints(run, copied, command):
    for name in ("latest", "latest.previous", "best"):
        path = copied / "checkpoints" / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-7])
    before = snapshot(copied)
    pattern = r"(latest|best)\.safetensors is damaged"
    assert_refused(go_on(run, command, copied), pattern)
    assert snapshot(copied) == before
    with pytest.raises(ValueError, match=pattern):
        agents.load(copied)


def test_one_damaged_checkpoint_is_named_and_the_previous_one_used(run, copied):
    (copied / "checkpoints" / "latest.safetensors").write_bytes(b"nothing")
    result = run("train", f"resume={copied}")
    assert result.code == 0
    assert "latest.safetensors is damaged" in result.err and "previous one is used" in result.err


@pytest.mark.parametrize(
    "word", ["agent.gamma=1", "num_envs=8", "core=gru", "word", "seed=1", "evaluation.interval=1"]
)
def test_what_a_continued_run_keeps(run, copied, word):
    before = snapshot(copied)
    assert_refused(
        run("train", f"resume={copied}", word), "keeps its own configuration; only total_env_steps"
    )
    assert snapshot(copied) == before


def change_config(run_dir, **changes):
    """Write other entries into a run's config."""
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    forge(run_dir, "config.yaml", yaml.safe_dump(config | changes))


def go_on(run, command, run_dir, **arguments):
    """Continue or evaluate a run."""
    if command == "resume":
        return run("train", f"resume={run_dir}", **arguments)
    return run("evaluate", f"run={run_dir}", "episodes=4", "num_envs=2", **arguments)


@pytest.mark.parametrize("group", ["core", "agent", "env"])
@pytest.mark.parametrize("kind", ["os.system", "allowed by the run"])
def test_a_run_cannot_make_its_reader_run_code(run, copied, tmp_path, group, kind):
    trace = tmp_path / "trace"
    evil = {"_target_": "os.system", "command": f"touch {trace}"}
    if kind != "os.system":
        evil = {"_target_": "my_package.proof", "path": str(trace)}
    change_config(copied, **{group: evil}, allow=["os", "posix", "my_package"])
    modules = write_modules(tmp_path)
    before = snapshot(copied)
    for command in ("resume", "evaluate"):
        refusal = "_target_ must be defined in|with another configuration"  # whichever is met first
        assert_refused(go_on(run, command, copied, path=[modules]), refusal)
    if group != "env":
        with pytest.raises(ValueError, match="_target_ must be defined in"):
            agents.load(copied)
    assert not trace.exists() and snapshot(copied) == before


@pytest.mark.parametrize("text", ["", "3", "a: [", "seed: 0"])
def test_a_damaged_config(run, copied, text):
    (copied / "config.yaml").write_text(text)
    for command in ("resume", "evaluate"):
        assert_refused(go_on(run, command, copied), r"config\.yaml .* damaged")


@pytest.mark.parametrize("text", [None, "", "{}", '{"observation_space": {"kind": "?"}, "action_space": 3}'])
def test_damaged_spaces(run, copied, text):
    (copied / "spaces.json").unlink()
    if text is not None:
        (copied / "spaces.json").write_text(text)
    assert_refused(go_on(run, "evaluate", copied), "spaces.json|A stored space")


def test_nan_stops_a_run_with_its_checkpoint_intact(run, tmp_path):
    modules = write_modules(tmp_path)
    env = (
        "env=gymnasium",
        "env.id=toys_package:toys/Rotten-v0",
        "checkpoint.interval=1",
        "evaluation.interval=null",
    )
    result = run("train", *TINY, *env, f"logging.runs_dir={tmp_path / 'runs'}", path=[modules])
    assert result.code == 3, result.err
    assert "Traceback" not in result.err
    (sentence,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert "gave the observation nan in environment 0" in sentence
    agent = agents.load(result.run_dir, "latest")
    assert agent.num_updates > 0
    assert all(torch.isfinite(parameter).all() for parameter in agent.network.parameters())
