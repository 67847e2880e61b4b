"""A curriculum over an argument of the environment: when it goes on, what it changes, and that it resumes."""

import pytest
import torch
from python_runs import QUIET, TINY, lines, same_weights
from tensordict import TensorDict

import engram
from engram.envs import Driver, RecallFirst
from engram.training.curriculum import Curriculum

# Every stage is learnt after so many episodes, whatever they are worth.
AT_ONCE = {"argument": "delay", "values": [1, 2, 4], "raise_at_return": -1.0, "episodes": 30}
REPLAY = {
    "name": "r2d2",
    "batch_size": 2,
    "batch_length": 8,
    "rollout_length": 16,
    "train_ratio": 1,
    "replay": {"prefill": 160, "capacity_bytes": 1_000_000},
}


def train(folder, callbacks=(), **options):
    given = {**TINY, "curriculum": AT_ONCE, "logging": QUIET["logging"] | {"run_dir": str(folder)}}
    return engram.train(**{**given, **options}, callbacks=list(callbacks))


def stages(run):
    return [line["curriculum/stage"] for line in lines(run)]


class StopAt(engram.Callback):
    def __init__(self, step):
        self.step = step

    def on_rollout(self, trainer, rollout):
        if trainer.env_steps >= self.step:
            trainer.stop()


class Watch(engram.Callback):
    """Notes the delay of every rollout's environments, by the lengths of the episodes in it."""

    def __init__(self):
        self.lengths = []

    def on_rollout(self, trainer, rollout):
        self.lengths.append(set(rollout.episodes["episodic_length"]))


def test_a_stage_is_over_once_the_mean_of_the_last_episodes_reaches_the_level():
    curriculum = Curriculum("kwargs.k", [4, 8], raise_at_return=0.5, episodes=4)
    assert curriculum.value == 4 and not curriculum.is_learnt()
    curriculum.note([1.0, 1.0, 1.0])  # too few, however good
    assert not curriculum.is_learnt()
    curriculum.note([-1.0])  # 1, 1, 1, -1
    assert curriculum.is_learnt()
    curriculum.note([-1.0])  # 1, 1, -1, -1
    assert not curriculum.is_learnt()
    curriculum.note([1.0, 1.0])  # -1, -1, 1, 1
    assert not curriculum.is_learnt()
    curriculum.note([1.0])
    assert curriculum.is_learnt()
    curriculum.go_on()
    assert curriculum.value == 8 and not curriculum.is_learnt()
    curriculum.note([1.0] * 4)
    assert not curriculum.is_learnt()  # it is the last one
    other = Curriculum("kwargs.k", [4, 8], raise_at_return=0.5, episodes=4)
    other.load_state_dict(curriculum.state_dict())
    assert other.state_dict() == curriculum.state_dict() == {"stage": 1, "returns": [1.0] * 4}


def test_it_reaches_into_the_options_of_a_task():
    curriculum = Curriculum("kwargs.k", [4, 8], 0.5, 4)
    env = {"name": "popgym/repeat_previous", "kwargs": {"num_decks": 2, "k": 4}}
    assert curriculum.put(env, 8) == {"name": "popgym/repeat_previous", "kwargs": {"num_decks": 2, "k": 8}}
    assert env["kwargs"]["k"] == 4


def test_environments_are_exchanged_between_rollouts(tmp_path):
    watch = Watch()
    run = train(tmp_path / "run", [watch], total_env_steps=600)
    assert watch.lengths[0] == {2} and watch.lengths[-1] == {5}
    seen = [length for lengths in watch.lengths for length in lengths]
    assert all(len(lengths) == 1 for lengths in watch.lengths) and seen == sorted(seen)
    assert stages(run)[-1] == 2.0
    assert lines(run)[-1]["eval/episodic_length"] == 5.0


@pytest.mark.parametrize("agent", [TINY["agent"], REPLAY], ids=["ppo", "r2d2"])
def test_it_resumes_to_the_bit_from_any_stage(tmp_path, agent):
    options = {"agent": agent, "total_env_steps": 500}
    whole = train(tmp_path / "whole", **options)
    for step in (64, 180, 300):
        part = train(tmp_path / str(step), [StopAt(step)], **options)
        assert all(line["env_steps"] < 500 for line in lines(part))
        again = engram.train(resume=part)
        assert lines(again) == lines(whole) and same_weights(again, whole)


def test_a_replay_does_not_learn_across_the_change():
    """The rows on both sides are no neighbours: the last one before it does not end an episode, the next begins one."""
    driver = Driver(RecallFirst(2, delay=5))
    carry = torch.zeros(2, 1)

    def act(row, carry):
        return torch.zeros(2, dtype=torch.int64), carry, TensorDict({}, batch_size=[2])

    driver.start(0, TensorDict({"x": carry}, batch_size=[2]))
    before = driver.collect(act, 3)
    steps = driver.env_steps
    driver.change_env(RecallFirst(2, delay=1), seed=9)
    after = driver.collect(act, 4)
    assert not before.rows["is_last"].any() and after.rows["is_first"][:, 0].all()
    assert after.episodes["episodic_length"] == [2, 2]  # nothing of what was running before is counted
    assert driver.env_steps == steps + 4


@pytest.mark.parametrize(
    ("curriculum", "said"),
    [
        (
            {"argument": "delay", "values": [2], "raise_at_return": 0},
            r"values must be two or more values of delay, in turn, but got \[2\]; change curriculum\.values",
        ),
        (
            {"argument": "delay", "values": [1, 2]},
            r"raise_at_return must be a number where curriculum\.argument",
        ),
        ({"values": [1, 2]}, r"values must be empty where curriculum\.argument is null"),
        (
            AT_ONCE | {"argument": "num_symbols", "values": [2, 4]},
            "A curriculum keeps what an agent sees and does",
        ),
        (
            AT_ONCE | {"argument": "delays"},
            r"unexpected keyword argument 'env\.delays'; did you mean env\.delay",
        ),
        (AT_ONCE | {"values": [1, -3]}, "delay of RecallFirst must be a whole number"),
    ],
)
def test_what_cannot_be_a_curriculum(tmp_path, curriculum, said):
    with pytest.raises(engram.RunError, match=said):
        train(tmp_path / "run", curriculum=curriculum)
    assert not (tmp_path / "run").exists()
