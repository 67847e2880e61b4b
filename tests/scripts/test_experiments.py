"""Every experiment builds, trains, and is the protocol its file claims to be."""

from pathlib import Path

import pytest

from engram import configs
from engram.command_line.config import compose_config
from run_files import TINY

EXPERIMENTS = sorted(path.stem for path in (Path(configs.__file__).parent / "experiment").glob("*.yaml"))
# Small enough for a test, but with the experiment's own core, encoder, heads and loss. An evaluation plays whole
# episodes, which have a thousand steps in a maze.
SMALL = [*(word for word in TINY if not word.startswith("core")), "evaluation.interval=null"]
SMALL_WITH_REPLAY = [
    *(word for word in SMALL if not word.startswith("agent.")),
    "total_env_steps=200",
    "agent.batch_size=2",
    "agent.batch_length=16",
    "agent.train_ratio=16",  # bsuite's 1,024 would be an update for every row collected
    "agent.replay.prefill=144",  # a window of every environment, burn-in included
    "agent.replay.capacity_bytes=20_000_000",  # the default reserves gigabytes
]


# The mazes of these take seconds to make, and memory_maze_tiny has the same options.
LARGE_MAZES = ("memory_maze_9x9", "memory_maze_9x9_impala", "memory_maze_9x9_r2i")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LARGE_MAZES else name for name in EXPERIMENTS],
)
def test_experiment_trains(run, name, tmp_path):
    agent = compose_config("train", [f"experiment={name}"]).choices["agent"]
    has_replay = agent in ("r2i", "dreamerv3", "r2d2", "sac")
    small = SMALL_WITH_REPLAY if has_replay else [*SMALL, "agent.bptt_length=null"]
    result = run("train", f"experiment={name}", *small, f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_take_any_core(name):
    composed = compose_config("train", [f"experiment={name}", "core=ffm"])
    assert composed.choices["core"] == "ffm"


def test_s5rl_is_the_published_protocol():
    """Lu et al. 2023, number by number."""
    values = compose_config("train", ["experiment=popgym_s5rl"]).values
    agent, network = values["agent"], values["agent"]["make_network"]
    published = {
        "rollout_length": 1024,
        "num_epochs": 30,
        "num_minibatches": 8,
        "gamma": 0.99,
        "gae_lambda": 1.0,
        "clip_range": 0.2,
        "value_clip_range": 0.2,
        "value_coef": 1.0,
        "entropy_coef": 0.0,
        "max_grad_norm": 0.5,
        "learning_rate": 5e-5,
        "learning_rate_schedule": "constant",
        "adam_epsilon": 1e-5,
        "normalize_advantage": "minibatch",
        "kl_coef": 0.0,
        "bptt_length": None,
    }
    assert {key: agent[key] for key in published} == published
    assert values["num_envs"] == 64 and values["total_env_steps"] == 15_000_000
    assert network["head_hidden_sizes"] == [128, 128] and network["head_gain"] == 2.0
    assert network["make_encoder"]["hidden_sizes"] == [128, 256]
    core = values["core"]
    assert (core["hidden_size"], core["state_size"], core["num_layers"]) == (256, 256, 4)
    assert not core["prenorm"] and not core["postnorm"] and core["activation"] == "full_glu"


def test_pqn_has_its_published_recurrent_settings():
    """Gallici et al. 2024 on MemoryChain, and POPGym Arcade, number by number."""
    chain = compose_config("train", ["experiment=memory_chain_pqn"]).values
    arcade = compose_config("train", ["experiment=popgym_pqn", "env=popgym/count_recall_easy"]).values
    names = "rollout_length num_minibatches num_epochs gamma gae_lambda epsilon_start epsilon_end epsilon_fraction"
    names = [*names.split(), "learning_rate", "learning_rate_schedule", "max_grad_norm", "optimizer"]
    shared = [128, 16, 4, 0.99, 0.95, 1.0]
    assert [chain["agent"][name] for name in names] == [*shared, 0.01, 0.1, 1e-3, "constant", 10.0, "radam"]
    assert [arcade["agent"][name] for name in names] == [*shared, 0.05, 0.25, 5e-5, "linear", 0.5, "radam"]
    assert (chain["num_envs"], chain["total_env_steps"], arcade["num_envs"]) == (32, 100_000, 16)
    for values in (chain, arcade):
        assert values["core"]["hidden_size"] == 256
        assert values["agent"]["make_network"]["make_encoder"]["hidden_sizes"] == [256, 256]


def test_impala_has_the_settings_of_seed():
    values = compose_config("train", ["experiment=memory_maze_9x9_impala"]).values
    names = "rollout_length gamma gae_lambda rho_bar c_bar value_coef entropy_coef learning_rate adam_epsilon".split()
    expected = [100, 0.99, 1.0, 1.0, 1.0, 0.5, 0.00025, 4.8e-4, 3.125e-7]
    assert [values["agent"][name] for name in names] == expected
    assert values["num_envs"] / values["agent"]["num_minibatches"] == 32
    assert values["agent"]["num_epochs"] == 1 and values["agent"]["max_grad_norm"] is None


@pytest.mark.parametrize("name", ["popgym_paper", "popgym_s5rl", "popgym_small", "popgym_table"])
def test_protocols_clip_box_actions(name):
    """As published; said by the preset, which may be given with tasks that have no such option, too."""
    words = [f"experiment={name}", "env=popgym/position_only_pendulum_easy"]
    assert compose_config("train", words).values["env"]["action"] == "clip"
    assert compose_config("train", [*words, "env.action=auto"]).values["env"]["action"] == "auto"
    assert compose_config("train", [words[1]]).values["env"]["action"] == "auto"
    assert "action" not in compose_config("train", [words[0], "env=diagnostic/recall_first"]).values["env"]


def test_an_experiment_may_be_given_with_another_agent():
    """What both agents have holds, what the other one lacks is left out and said, what the command gives is kept."""
    words = ["experiment=recall_first", "agent=r2d2"]
    composed = compose_config("train", words)
    agent = composed.values["agent"]
    assert agent["gamma"] == 0.5 and agent["learning_rate"] == 1e-3
    assert agent["make_network"]["make_encoder"]["previous_action"] is False
    assert agent["learning_rate_schedule"] == "constant"
    assert not {"num_epochs", "num_minibatches", "gae_lambda"} & agent.keys()
    assert composed.notes == (
        "options of experiment=recall_first that agent=r2d2 does not have were left out: "
        "agent.num_epochs, agent.num_minibatches, agent.gae_lambda",
    )
    given = compose_config("train", [*words, "agent.num_epochs=2"]).values["agent"]
    assert given["num_epochs"] == 2  # to be refused by the agent


def test_nested_options_of_another_agent_are_left_out():
    composed = compose_config("train", ["experiment=recall_first", "agent=r2i"])
    assert "make_network" not in composed.values["agent"]
    assert "agent.make_network" in composed.notes[0]


@pytest.mark.parametrize("agent", ["ppo", "a2c"])
def test_agents_that_have_every_option_are_told_nothing(agent):
    assert compose_config("train", ["experiment=recall_first", f"agent={agent}"]).notes == ()


def test_another_agent_is_said_and_trains(run, tmp_path):
    words = ["experiment=recall_first", "agent=pqn", *SMALL]
    result = run("train", *words, "agent.num_minibatches=1", f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
