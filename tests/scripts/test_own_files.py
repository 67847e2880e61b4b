"""A file of options outside of `configs/`: it says what words say, and what is wrong in it is told with its name."""

import zipfile
from pathlib import Path

import pytest
import yaml
from toy_modules import write_modules

from engram import configs
from engram.command_line.config import compose_config
from engram.command_line.option_file import with_file
from engram.common.errors import UsageError
from run_files import RECALL, TINY, assert_refused, assert_same_run, metric_lines

HERE = Path(__file__).parent
EXPERIMENTS = sorted((Path(configs.__file__).parent / "experiment").glob("*.yaml"))
OWN = """
core:
  name: gru
  hidden_size: 16
agent: {rollout_length: 16, num_minibatches: 2, num_epochs: 1, learning_rate: 1e-3}
env: {name: diagnostic/recall_first, delay: 3}
num_envs: 4
total_env_steps: 300
evaluation.interval: 200
evaluation: {episodes: 4, num_envs: 2}
logging: {progress: false, curve: false}
"""


def composed(words):
    values = compose_config("train", with_file(words, "train")).values
    return {key: value for key, value in values.items() if key not in ("sweep", "tune")}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_copied_experiment_is_that_experiment_and_so_is_its_resolved_configuration(path, tmp_path):
    expected = composed([f"experiment={path.stem}"])
    assert composed([f"config={path}"]) == expected
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(expected))
    assert composed([f"config={tmp_path / 'config.yaml'}"]) == expected


def test_the_command_rules_over_the_file(tmp_path):
    (tmp_path / "my.yaml").write_text(OWN)
    own = f"config={tmp_path / 'my.yaml'}"
    values = composed([own, "seed=3", "agent.learning_rate=2e-3", "env.delay=5"])
    assert (values["seed"], values["env"]["delay"], values["core"]["hidden_size"]) == (3, 5, 16)
    assert values["agent"]["learning_rate"] == 0.002 and values["agent"]["rollout_length"] == 16
    assert composed([own])["agent"]["learning_rate"] == 0.001  # as the command line reads 1e-3
    with pytest.warns(UserWarning, match=r"core=s5 takes the place of core=gru in .*: core\.hidden_size\."):
        assert composed([own, "core=s5"])["core"]["hidden_size"] == 256


def test_a_run_of_a_file_goes_on_without_it(run, tmp_path):
    """And its own `config.yaml` trains the same run once more."""
    own = tmp_path / "my.yaml"
    own.write_text(OWN)
    first = run("train", "config=my.yaml", f"logging.run_dir={tmp_path}/run", cwd=tmp_path)
    assert first.code == 0, first.err
    again = run("train", f"config={tmp_path}/run/config.yaml", f"logging.run_dir={tmp_path}/again")
    assert again.code == 0, again.err
    assert_same_run(tmp_path / "again", tmp_path / "run")
    own.unlink()
    longer = run("train", f"resume={tmp_path}/run", "total_env_steps=600")
    assert longer.code == 0 and metric_lines(tmp_path / "run")[-1]["env_steps"] > "600", longer.err


WRONG = {
    "num_env: 4": r"'num_env' does not; did you mean 'num_envs'\? .* \(num_env is given in .*my\.yaml\)",
    "core: {name: gru, hiden_size: 3}": r"did you mean 'core\.hidden_size'\?.*\(core\.hiden_size is given in",
    "core: grru": r"core must be one of .*'grru'.*\(core is given in .*my\.yaml\)",
    "agent: {learning_rate: -1}": r"must be a number above 0, but got -1.*\(agent\.learning_rate is given in",
    "core: [gru": r"my\.yaml' is none: it is no YAML of plain values",
    "seed: 1\nseed: 2": r"my\.yaml' is none: .*duplicate key seed",
    "- gru": r"my\.yaml' holds no options; write them as option: value",
    "core: {_target_: my_package.MyCore}": r"allow=\[my_package\]",
    "env: {name: gymnasium, id: my_envs:My-v0}": r"my\.yaml names my_envs; add allow=\[my_envs\]",
    "allow: [os]": r"my\.yaml names os; add allow=\[os\]",
    "trust_edited: true": "trusted by the command alone",
    "logging: {to: [mlflow], mlflow: {tracking_uri: 'http://x'}}": r"add logging\.mlflow\.tracking_uri=http://x",
    "resume: runs/x": "names a run to be continued; leave resume out",
    "defaults: [[gru]]": r"The defaults of a file choose options",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_name(run, tmp_path, text):
    (tmp_path / "my.yaml").write_text(text)
    assert_refused(
        run("train", *TINY[6:], f"config={tmp_path}/my.yaml", f"logging.runs_dir={tmp_path}/runs"),
        WRONG[text],
    )
    assert not (tmp_path / "runs").exists()


def test_a_file_must_be_there(run, tmp_path):
    assert_refused(
        run("train", f"config={tmp_path}/no.yaml"), r"no\.yaml' cannot be read \(No such file or directory\)"
    )
    assert_refused(run("train", f"config={tmp_path}"), r"cannot be read \(Is a directory\)")
    assert_refused(run("train", "config=a.yaml", "config=b.yaml"), "takes one file of options, but got 2")


def test_code_of_the_users_own_is_allowed_by_the_command(run, tmp_path):
    modules = write_modules(tmp_path)
    (tmp_path / "my.yaml").write_text(
        "core: {_target_: my_package.Fragile, _partial_: true, hidden_size: 8, fate: none, calls: 9}\n"
        "allow: [my_package]"
    )
    words = [*TINY[2:], *RECALL, f"config={tmp_path}/my.yaml", f"logging.run_dir={tmp_path}/run"]
    assert_refused(run("train", *words, path=[modules]), r"add allow=\[my_package\]")
    result = run("train", *words, "allow=[my_package]", cwd=tmp_path, path=[modules])
    assert result.code == 0, result.err


def test_runs_of_an_older_version(tmp_path):
    with zipfile.ZipFile(HERE / "run_of_before.zip") as archive:
        archive.extractall(tmp_path / "run")
    words = with_file([f"config={tmp_path}/run/config.yaml"], "train")
    values = compose_config("train", words).values
    assert values["agent"]["_target_"] == "engram.agents.PPO"
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert values["evaluation"]["interval"] == stored["evaluation"]["every"]
    with zipfile.ZipFile(HERE / "runs_of_before.zip") as archive:
        archive.extract("world_model/run/config.yaml", tmp_path)
    with pytest.raises(
        UsageError, match=r"config\.yaml is of a run of version 0\.1; train it with that version"
    ):
        with_file([f"config={tmp_path}/world_model/run/config.yaml"], "train")


@pytest.mark.slow
def test_a_sweep_of_a_file(run, tmp_path):
    (tmp_path / "my.yaml").write_text(
        f"{OWN}sweep: {{axes: {{core: [gru, mlp], seed: 0..1}}}}\n".replace("name: gru", "init: chrono")
    )
    words = ("sweep", f"config={tmp_path}/my.yaml", f"dir={tmp_path}/sweep", "workers=1")
    assert_refused(run(*words), r"core\.init.*\(core\.init is given in .*my\.yaml\)")  # an mlp has no init
    result = run(*words, "core=gru")
    assert result.code == 0 and "2 of 2 trials finished" in result.err, result.err
