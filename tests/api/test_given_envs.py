"""Environments as objects and functions: played in copies, stored by name, given again to go on."""

import functools
import re
import threading

import gymnasium
import pytest
import torch
import yaml
from given_envs import OwnCore, Recall, Unlike
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from python_runs import QUIET, TINY, lines, same_weights

import engram
from engram.agents import PPO
from engram.envs import RecallFirst
from engram.envs.given import given_env
from engram.memory_cores import GRU
from engram.scripts import evaluate, train

SMALL = {key: value for key, value in TINY.items() if key != "env"}


def make_recall():
    return Recall(delay=1)


def make_batch(num_envs, device):
    return RecallFirst(num_envs, delay=1, device=device)


GIVEN = {
    "function": (make_recall, "make_recall", None),
    "class": (Recall, "Recall", None),
    "partial": (functools.partial(Recall, delay=1), "Recall", None),
    "lambda": (lambda: Recall(), "env", None),
    "object": (Recall(delay=3), "Recall", None),
    "object with an id": (gymnasium.make("CartPole-v1"), "CartPole-v1", None),
    "sync vector": (SyncVectorEnv([Recall, make_recall, Recall]), "Recall", 3),
    "vector alone": (Unlike(3), "Unlike", 3),
    "native object": (RecallFirst(num_envs=3, delay=1), "diagnostic/recall_first", 3),
    "function of a batch": (make_batch, "make_batch", None),
}


def options(folder, env, **more):
    small = (
        SMALL
        if getattr(env, "num_envs", None) is None
        else {k: v for k, v in SMALL.items() if k != "num_envs"}
    )
    return small | {"env": env, "logging": QUIET["logging"] | {"run_dir": folder}} | more


@pytest.mark.parametrize("case", GIVEN)
def test_whatever_is_given_makes_rows(case):
    env, name, num_envs = GIVEN[case]
    given = given_env(env)
    assert (given.name, given.num_envs) == (name, num_envs)
    made = [given.make(num_envs or 4, "cpu") for _ in range(2)]
    action = torch.ones(num_envs or 4, dtype=torch.int64)
    first = [one.reset(5) for one in made]
    rows = [[one.step(action) for _ in range(12)] for one in made]
    assert (
        made[0].name == ("diagnostic/recall_first" if env is make_batch else name)
        and (first[0] == first[1]).all()
    )
    assert all((one == other).all() for one, other in zip(*rows, strict=True))
    assert any(row["is_last"].any() for row in rows[0])


@pytest.mark.parametrize("case", ["lambda", "object with an id", "vector alone", "native object"])
def test_a_run_in_what_was_given(tmp_path, case):
    env, name, num_envs = GIVEN[case]
    evaluation = SMALL["evaluation"] | ({"num_envs": num_envs} if num_envs else {})
    run = engram.train(**options(tmp_path / "run", env, evaluation=evaluation, total_env_steps=300))
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    stored = config["env"].get("id", config["env"]["_target_"])
    assert config["env"]["_given_"] is True and stored == name and config["num_envs"] == (num_envs or 4)
    assert lines(run)[-1]["env_steps"] >= 300
    assert run.evaluate(episodes=6)["episodes"] == 6


class StopAt(engram.Callback):
    def on_log(self, trainer, metrics):
        if trainer.env_steps >= 150:
            trainer.stop()


@pytest.mark.parametrize("case", ["function", "object", "sync vector", "native object"])
def test_what_is_given_again_goes_on_to_the_bit(tmp_path, case):
    env, _, num_envs = GIVEN[case]
    evaluation = SMALL["evaluation"] | ({"num_envs": num_envs} if num_envs else {})
    runs = [
        engram.train(**options(tmp_path / name, env, evaluation=evaluation), callbacks=callbacks)
        for name, callbacks in (("whole", []), ("parts", [StopAt()]))
    ]
    assert lines(runs[1])[-1]["env_steps"] < 300
    again = engram.train(resume=runs[1], env=env)
    assert lines(again) == lines(runs[0]) and same_weights(again, runs[0])


def test_a_vector_that_cannot_be_stored_says_so(tmp_path):
    env = Unlike(2)
    evaluation = SMALL["evaluation"] | {"num_envs": 2}
    run = engram.train(**options(tmp_path / "run", env, evaluation=evaluation), callbacks=[StopAt()])
    with pytest.warns(UserWarning, match="The state of the vector environment Unlike cannot be stored"):
        again = engram.train(resume=run, env=env)
    assert lines(again)[-1]["env_steps"] >= 400


def test_the_rows_of_a_vector_alone():
    env = given_env(Unlike(2)).make(2, "cpu")
    rows = [env.reset(0), *(env.step(torch.tensor([1, 0])) for _ in range(6))]

    def column(key):
        return torch.stack([row[key] for row in rows]).float().squeeze(-1).tolist()

    assert column("obs") == [[0, 0], [1, 1], [2, 2], [3, 3], [0, 4], [1, 5], [2, 0]]
    assert column("is_last") == [[0, 0], [0, 0], [0, 0], [1, 0], [0, 0], [0, 1], [0, 0]]
    assert column("is_first") == [[1, 1], [0, 0], [0, 0], [0, 0], [1, 0], [0, 0], [0, 1]]
    assert column("reward") == [[0, 0], [1, 0], [1, 0], [1, 0], [0, 0], [1, 0], [1, 0]]
    assert column("prev_action") == [[0, 0], [1, 0], [1, 0], [1, 0], [0, 0], [1, 0], [1, 0]]


def test_an_object_stays_as_it_is(tmp_path):
    env = Recall()
    env.reset(seed=3)
    engram.train(**options(tmp_path / "run", env))
    assert env.resets == 1 and env.time == 0


def test_it_must_be_given_again(tmp_path, capsys):
    run = engram.train(**options(tmp_path / "run", make_recall))
    sentence = "The environment 'make_recall' was given from Python, as an object or a function that no file can hold"
    for call in (lambda: engram.train(resume=run), lambda: engram.Run(run).evaluate(episodes=2)):
        with pytest.raises(engram.RunError, match=re.escape(sentence)):
            call()
    capsys.readouterr()
    assert train.command([f"resume={run.path}"]) == 2 and sentence in capsys.readouterr().err
    assert evaluate.command([f"run={run.path}"]) == 2 and sentence in capsys.readouterr().err
    assert engram.load(run).num_updates > 0  # which plays nothing
    assert engram.Run(run, env=make_recall).evaluate(episodes=2, num_envs=2)["mean_length"] == 2
    assert run.evaluate(episodes=2, num_envs=2, env=functools.partial(Recall, delay=4))["mean_length"] == 5


def test_options_beside_a_function(tmp_path):
    env = {
        "make": lambda: Recall(delay=10),
        "name": "my recall",
        "max_episode_steps": 4,
        "vectorization": "async",
    }
    run = engram.train(**options(tmp_path / "run", env))
    stored = yaml.safe_load((run.path / "config.yaml").read_text())["env"]
    assert (stored["id"], stored["max_episode_steps"], stored["vectorization"]) == ("my-recall", 4, "async")
    assert run.evaluate(episodes=2, num_envs=2)["env"] == "my-recall"
    assert run.evaluate(episodes=4, num_envs=2)["mean_length"] == 4
    with pytest.raises(engram.RunError, match="kwargs are of a registered id"):
        engram.train(**options(tmp_path / "other", {"make": Recall, "kwargs": {"delay": 3}}))


def test_an_async_vector_is_async(tmp_path):
    env = AsyncVectorEnv([Recall, Recall])
    try:
        run = engram.train(**options(tmp_path / "run", env))
    finally:
        env.close()
    stored = yaml.safe_load((run.path / "config.yaml").read_text())
    assert (stored["env"]["vectorization"], stored["num_envs"]) == ("async", 2)


class Locked(Recall):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("env", "more", "sentence"),
    [
        (
            3,
            {},
            "An environment must be given by its name, as an object (gymnasium.Env, gymnasium.vector.VectorEnv",
        ),
        (lambda: 3, {}, "A function must make one gymnasium.Env, but made 3"),
        (
            lambda num_envs, device: Recall(),
            {},
            "A function of num_envs and device must make an engram.envs.VectorEnv",
        ),
        (
            Locked(),
            {},
            "An environment that is given as an object is played in copies, but Locked cannot be copied",
        ),
        (
            Unlike(2, AutoresetMode.SAME_STEP),
            {},
            "A vector environment must begin an episode at the step after",
        ),
        (Unlike(2), {"num_envs": 3}, "keeps its size: expected num_envs=2 for Unlike, but got 3"),
        (
            RecallFirst(3),
            {"evaluation.num_envs": 2},
            "keeps its size: expected num_envs=3 for diagnostic/recall_first",
        ),
    ],
)
def test_what_cannot_be_played_is_refused(tmp_path, env, more, sentence):
    with pytest.raises(engram.RunError, match=re.escape(sentence)):
        engram.train(env=env, logging={"runs_dir": tmp_path}, **more)
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_users_own_keeps_its_type(tmp_path):
    def make():
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        engram.train(env=make, logging={"runs_dir": tmp_path})


def test_classes_and_partials_are_stored_whole(tmp_path):
    run = engram.train(
        core=functools.partial(GRU, hidden_size=8),
        env=functools.partial(RecallFirst, delay=2),
        agent=functools.partial(PPO, rollout_length=16, num_minibatches=2, num_epochs=1),
        num_envs=4,
        total_env_steps=200,
        evaluation={"interval": None},
        logging=QUIET["logging"] | {"run_dir": tmp_path / "run"},
    )
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config["core"] == {"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": 8}
    assert config["env"] == {"_target_": "engram.envs.RecallFirst", "_partial_": True, "delay": 2}
    assert config["agent"]["_target_"] == "engram.agents.PPO" and config["agent"]["num_epochs"] == 1
    assert run.evaluate(episodes=2, num_envs=2)["mean_length"] == 3
    assert lines(engram.train(resume=run, total_env_steps=300))[-1]["env_steps"] >= 300


def test_a_class_of_ones_own_is_allowed_by_whoever_gives_it(tmp_path):
    core = functools.partial(OwnCore, hidden_size=8)
    run = engram.train(**options(tmp_path / "run", "diagnostic/recall_first") | {"core": core})
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config["core"]["_target_"] == "given_envs.OwnCore"
    with pytest.raises(ValueError, match="allow="):
        engram.load(run)
    assert run.agent.num_updates > 0 and run.evaluate(episodes=2, num_envs=2)["episodes"] == 2
    again = engram.Run(run, allow=["given_envs"])
    assert again.agent.num_updates == engram.load(run, allow=["given_envs"]).num_updates
    with pytest.raises(engram.RunError, match="allow="):
        engram.train(resume=run, total_env_steps=500)
    assert lines(engram.train(resume=run, total_env_steps=500, allow=["given_envs"]))[-1]["env_steps"] >= 500


def test_a_class_that_no_name_leads_to_is_refused(tmp_path):
    class Local(GRU):
        pass

    with pytest.raises(
        engram.RunError, match="What is stored must be of a class that can be imported by its name"
    ):
        engram.train(core=Local, logging={"runs_dir": tmp_path})
