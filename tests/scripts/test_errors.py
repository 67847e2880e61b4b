"""A user's mistake is one sentence and exit code 2; nothing is written."""

import shutil

import pytest
import torch
from toy_modules import write_modules

from run_files import RECALL, TINY, assert_refused, snapshot

WRONG_OPTIONS = {
    "core=ltsm": "core must be one of .*lstm.*'ltsm'",
    "env=popgym/repeat_first_easy env.vectorization=async": "no option vectorization, but got .*=package",
    "env=popgym/repeat_first_easy env.max_episode_steps=5": "no option max_episode_steps, but got .*=package",
    "env=popgym/repeat_previos_easy": "env must be one of popgym/repeat_previous_easy",
    "agent=null": "agent must be one of .*ppo",
    "experiment=none_such": "experiment must be one of",
    "core.hiden_size=3": r"did you mean 'core\.hidden_size'",
    "+core.foo=3": "LSTM takes the arguments .*hidden_size.*'core.foo'",
    "+agent.foo=3": "PPO takes the arguments .*gamma.*foo'",
    "word": "written key=value, but got 'word'",
    "=3": "written key=value",
    "core={a:b": "Hydra's grammar",
    "seed=${nothing}": "must name an option, but 'nothing'",
    "env=gymnasium": r"env\.id has no default",
    "env=gymnasium env.id=CartPol-v1": "did you mean CartPole-v1",
    "env=gymnasium env.id=3": "id of GymnasiumEnv must be a word",
    "env=gymnasium env.id=no_such_module:A-v0": "pip install 'no_such_module'",
    "env=gymnasium env.id=CartPole-v1 +env.kwargs.foo=3": "must be arguments of its constructor",
    "env=gymnasium env.id=toys_package:toys/Texts-v0": "observation.*Text",
    "env.max_episode_steps=0": "max_episode_steps|positive",
    "agent.num_minibatches=100": "num_minibatches <= 4, but got 100",
    "agent.num_epochs=null": "num_epochs of PPO must be a whole number of at least 1",
    "agent.gamma=2": "gamma of PPO must be a number from 0 to 1",
    "agent.make_network.head_gain=abc": "head_gain of ActorCritic must be a number of at least 0, but got 'abc'",
    "agent.make_network.separate_critic_core=7": "must be true or false, but got 7",
    "agent.make_network.make_encoder.hidden_sizes=[a]": "a list whose parts are each a whole number",
    "agent.make_network.make_encoder=null": "make_encoder of ActorCritic must be",
    "num_envs=abc": "num_envs must be a whole number of at least 1, but got 'abc'",
    "total_env_steps=1.5": "total_env_steps must be a whole number of at least 1, but got 1.5",
    "core.hidden_size=-1": r"hidden_size of LSTM must be a whole number from 1 to .*, but got -1",
    "core.hidden_size=abc": "hidden_size of LSTM must be a whole number",
    "seed=-1": "seed must be a whole number from 0",
    "evaluation.interval=0": r"evaluation\.interval must be a whole number of at least 1, or null, but got 0",
    "evaluation.episodes=0": r"evaluation\.episodes must be",
    "evaluation=null": "evaluation must be a group of options",
    "evaluation.env=3": r"evaluation\.env must be a group of options, but got 3",
    "env=diagnostic/recall_first evaluation.env.delays=3": r"'evaluation\.env\.delays'; did you mean .*\.delay\?",
    "env=diagnostic/recall_first evaluation.env.num_symbols=7": r"expected .* Discrete\(5\), but got Discrete\(8\)",
    "checkpoint.interval=null": r"checkpoint\.interval must be",
    "checkpoint.keep_interval=0": r"checkpoint\.keep_interval must be",
    "logging.to=[csv]": r"logging\.to must be a list of any of tensorboard, wandb, mlflow, but got \['csv'\]",
    "logging.tensorboard=false": r"did you mean 'logging\.to'\?",
    "logging=3": "logging must be a group of options",
    "logging.runs_dir=/dev/null": r"set logging\.runs_dir=",
    "allow=my_package": "allow must be a list",
    "device=abc": "device must be one of cpu",
    "core._target_=os.system": "must be defined in one of the packages engram",
    "core=mlp core.window=3": r"an argument that its file does not list is added by \+core\.window",
    f"env=diagnostic/recall_first env.num_symbols={10**30}": "A whole number has at most 64 bits here",
    "resume=no_such_folder": "no_such_folder has none",
    "resume=no_such_folder agent.learning_rate=1": "no_such_folder",
}


@pytest.mark.parametrize("words", WRONG_OPTIONS)
def test_wrong_options(run, tmp_path, words):
    modules = write_modules(tmp_path)
    resumes = words.startswith("resume=")
    common = () if resumes else (*TINY, f"logging.runs_dir={tmp_path / 'runs'}")
    before = snapshot(tmp_path)
    result = run("train", *common, *words.split(), cwd=tmp_path, path=[modules])
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    assert_refused(result, WRONG_OPTIONS[words])
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_on_a_machine_without(run, tmp_path):
    result = run("train", *TINY, "device=cuda", f"logging.runs_dir={tmp_path}")
    assert_refused(result, "device must be one of cpu, but got 'cuda'")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("popgym", "env=popgym/repeat_first_easy env.backend=package"),
        ("mazelib", "env=popgym/labyrinth_escape_easy env.backend=package"),
    ],
)
def test_a_missing_package_says_what_to_install(run, tmp_path, module, words):
    modules = tmp_path / "site-packages"
    modules.mkdir()
    (modules / f"{module}.py").write_text("raise ImportError('gone')")
    result = run("train", *TINY, *words.split(), f"logging.runs_dir={tmp_path / 'runs'}", path=[modules])
    assert_refused(result, r"pip install '(popgym\[navigation\]|mazelib)'")
    assert not (tmp_path / "runs").exists()


def test_recall_has_no_such_argument(run, tmp_path):
    words = (*RECALL, "env.delay=-1", f"logging.runs_dir={tmp_path / 'runs'}")
    assert_refused(
        run("train", *TINY, *words), "delay of RecallFirst must be a whole number of at least 0, but got -1"
    )
