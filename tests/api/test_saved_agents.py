"""An agent saved by itself is taken wherever a run is: loaded, evaluated, saved again."""

import functools
import re

import numpy as np
import pytest
import torch
import yaml
from given_envs import OwnCore, Recall
from gymnasium import spaces
from python_runs import QUIET, TINY

import engram
from engram.agents import PPO, R2D2, SAC, ActorCritic, Dreamer, Encoder
from engram.envs import RecallFirst
from engram.memory_cores import GRU, LSTM, S5, Stack
from engram.scripts import evaluate, train

SPACES = (
    spaces.Dict({"seen": spaces.Box(-1, 1, (3,), np.float32), "said": spaces.Discrete(4)}),
    spaces.Discrete(3),
)
BOX = spaces.Box(-2, 2, (2,), np.float32)
SMALL_NETWORK = functools.partial(
    ActorCritic,
    head_hidden_sizes=[8],
    make_encoder=functools.partial(Encoder, hidden_sizes=(16,), normalize=True),
)
MADE = {
    "plain": lambda: PPO(*SPACES, functools.partial(GRU, hidden_size=8)),
    "by place and by name": lambda: PPO(
        *SPACES,
        make_core=GRU,
        make_network=SMALL_NETWORK,
        clip_range=0.3,
        seed=5,
        auxiliary={"reconstruction": {"coef": 1}},
    ),
    "a stack": lambda: PPO(
        *SPACES,
        functools.partial(
            Stack, make_layer=functools.partial(LSTM, hidden_size=8), num_layers=2, hidden_size=8
        ),
    ),
    "r2d2": lambda: R2D2(*SPACES, functools.partial(S5, hidden_size=8, state_size=8), rollout_length=8),
    "sac": lambda: SAC(SPACES[0], BOX, functools.partial(GRU, hidden_size=8), total_env_steps=5_000),
    "dreamer": lambda: Dreamer(
        *SPACES, functools.partial(GRU, hidden_size=16), units=16, num_categoricals=4, num_classes=4
    ),
}


def same_state(one, other):
    """Whether two agents hold the same, to the bit."""

    def leaves(node, place=""):
        if isinstance(node, dict):
            for key, value in node.items():
                yield from leaves(value, f"{place}/{key}")
        else:
            yield place, node

    a, b = dict(leaves(one.state_dict())), dict(leaves(other.state_dict()))
    assert a.keys() == b.keys() and len(a) > 10
    return all(
        torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key] for key in a
    )


@pytest.mark.parametrize("case", MADE)
def test_an_agent_made_by_hand_is_loaded_as_it_was(tmp_path, case):
    agent = MADE[case]()
    with torch.no_grad():
        for parameter in next(iter(agent.networks.values())).parameters():
            parameter.add_(0.01)
    assert agent.save(tmp_path / "agent") == tmp_path / "agent"
    again = engram.load(tmp_path / "agent")
    assert type(again) is type(agent) and same_state(again, agent) and again.settings == agent.settings
    assert (again.observation_space, again.action_space) == (agent.observation_space, agent.action_space)
    third = engram.load(again.save(tmp_path / "again"))
    third.save(tmp_path / "third")
    for name in ("config.yaml", "spaces.json", "sizes.json"):
        assert (tmp_path / "third" / name).read_text() == (tmp_path / "again" / name).read_text()


def test_a_trained_agent_is_saved_with_its_environment(tmp_path, capsys):
    run = engram.train(**TINY, logging=QUIET["logging"] | {"run_dir": tmp_path / "run"})
    folder = run.agent.save(tmp_path / "agent")
    assert same_state(engram.load(folder), run.agent)
    options = {"episodes": 4, "num_envs": 2}
    assert engram.Run(folder).evaluate(**options)["returns"] == run.evaluate(**options)["returns"]
    assert evaluate.command([f"run={folder}", "episodes=4", "num_envs=2"]) == 0
    capsys.readouterr()
    assert train.command([f"resume={folder}"]) == 2
    assert "holds a saved agent alone; resume the run that it comes from" in capsys.readouterr().err
    assert engram.Run(tmp_path / "agent").agent.num_updates == run.agent.num_updates > 0


def test_an_agent_made_by_hand_is_evaluated_where_one_says(tmp_path):
    env = RecallFirst(num_envs=2, delay=2)
    agent = PPO(env.single_observation_space, env.single_action_space, functools.partial(GRU, hidden_size=8))
    folder = agent.save(tmp_path / "agent")
    with pytest.raises(engram.RunError, match="made and saved by hand has no environment of its own"):
        engram.Run(folder).evaluate(episodes=2)
    assert engram.Run(folder, env=env).evaluate(episodes=4)["mean_length"] == 3
    assert (
        engram.Run(folder, env="diagnostic/recall_first").evaluate(episodes=2, num_envs=2)["mean_length"] == 9
    )
    with pytest.raises(engram.RunError, match="expected the observation_space"):
        engram.Run(folder, env="CartPole-v1").evaluate(episodes=2)
    words = [
        "env._target_=engram.envs.RecallFirst",
        "env._partial_=true",
        "env.delay=3",
        "episodes=2",
        "num_envs=2",
    ]
    assert evaluate.command([f"run={folder}", *words]) == 0
    with pytest.raises(
        engram.RunError, match="An agent plays where observations and actions are those it was trained"
    ):
        engram.Run(folder, env=Recall).evaluate(episodes=2)


def test_a_class_of_ones_own_must_be_allowed(tmp_path):
    folder = PPO(*SPACES, functools.partial(OwnCore, hidden_size=8)).save(tmp_path / "agent")
    assert yaml.safe_load((folder / "config.yaml").read_text())["core"]["_target_"] == "given_envs.OwnCore"
    with pytest.raises(ValueError, match="allow="):
        engram.load(folder)
    assert isinstance(engram.load(folder, allow=["given_envs"]), PPO)


@pytest.mark.parametrize(
    ("make_core", "sentence"),
    [
        (
            lambda input_size: GRU(input_size, 8),
            "must be of a class that can be imported by its name, but make_core is",
        ),
        (functools.partial(GRU, 16), "must have all its arguments by name, but make_core has (16,)"),
    ],
)
def test_what_cannot_be_described_is_refused(tmp_path, make_core, sentence):
    agent = PPO(*SPACES, make_core=make_core) if not isinstance(make_core, functools.partial) else None
    if agent is None:
        agent = PPO(*SPACES, make_core=functools.partial(GRU, hidden_size=8))
        agent.made_of = (agent.made_of[0], {"make_core": make_core})
    with pytest.raises(engram.RunError, match=re.escape(sentence)):
        agent.save(tmp_path / "agent")
    assert not (tmp_path / "agent").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    agent = MADE["plain"]()
    agent.save(tmp_path / "agent")
    with pytest.raises(engram.RunError, match="An agent is saved in a folder of its own"):
        agent.save(tmp_path / "agent")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(engram.RunError, match=r"but .*file exists; give another"):
        agent.save(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert same_state(engram.load(agent.save(tmp_path / "empty")), agent)


def test_an_edited_folder_is_refused(tmp_path):
    folder = MADE["plain"]().save(tmp_path / "agent")
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("hidden_size: 8", "hidden_size: 16"))
    with pytest.raises(ValueError, match="was edited, damaged or removed"):
        engram.load(folder)
