"""What of a run is recorded, and what is said of the rest."""

from functools import partial

import pytest
import torch

from engram.agents import PPO, Dreamer
from engram.agents.trainable import Trainable
from engram.envs import GymnasiumEnv, RecallFirst
from engram.memory_cores import GRU, S5
from engram.training.capturing import capture


def make(core, device="cuda", kind=PPO, **options):
    """An agent in host memory, and environments that say they are on a device."""
    env = RecallFirst(num_envs=2, delay=2)
    agent = kind(env.single_observation_space, env.single_action_space, core, **options)
    env.device = torch.device(device)
    return agent, env


SMALL_S5, SMALL_GRU = partial(S5, hidden_size=4, state_size=4), partial(GRU, hidden_size=4)


def is_recorded(agent):
    return [update.is_captured for update in agent.captured_updates.values()]


@pytest.mark.parametrize("choice", ["auto", True])
def test_on_a_device_both_are_recorded(choice, capsys):
    agent, env = make(SMALL_S5)
    assert capture(choice, agent, env) is True and set(is_recorded(agent)) == {True}
    assert isinstance(agent.optimizer.param_groups[0]["lr"], torch.Tensor)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("choice", "device"), [(False, "cuda"), ("auto", "cpu")])
def test_nothing_is_recorded_elsewhere_or_unasked(choice, device, capsys):
    agent, env = make(SMALL_S5, device)
    assert capture(choice, agent, env) is False and set(is_recorded(agent)) == {False}
    assert capsys.readouterr().err == ""


def test_one_sentence_says_why_not(capsys):
    agent, env = make(SMALL_GRU)
    assert capture("auto", agent, env) is True and set(is_recorded(agent)) == {False}
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "updates are not (the library's kernels for GRU need the resets" in said
    assert capture(True, agent, env) is True and set(is_recorded(agent)) == {True}

    class Other(Trainable):
        def policy(self, env_steps): ...

        def updates(self, rollout, env_steps): ...

    env = GymnasiumEnv("CartPole-v1", num_envs=1)
    env.device = torch.device("cuda")
    assert capture("auto", Other(), env) is False
    said = capsys.readouterr().err
    assert "rollouts are not (" in said and "and updates are not (this agent's updates" in said


def test_what_is_asked_for_and_cannot_be_is_refused():
    agent, env = make(SMALL_S5, "cpu")
    with pytest.raises(ValueError, match=r"native environments on a CUDA device.*set capture=false, or auto"):
        capture(True, agent, env)
    agent, env = make(SMALL_GRU, kind=Dreamer, replay={"prefill_policy": "random"})
    with pytest.raises(ValueError, match=r"prefill_policy is random: set capture=false"):
        capture(True, agent, env)


def test_a_posterior_that_reads_the_memory_goes_by_rows_anyway():
    agent, env = make(SMALL_GRU, kind=Dreamer, posterior="memory")
    assert capture("auto", agent, env) is True and set(is_recorded(agent)) == {True}
