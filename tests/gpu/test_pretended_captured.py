"""Recorded updates on the pretended device: equal to the bit to running them, and one wait for each."""

from functools import partial

import pytest
import torch
from ppo_cases import make_agent
from small_cores import make_small
from waits import CAPTURED_UPDATE, check_waits

from engram import envs
from engram.agents.optim.groups import make_capturable

pytestmark = pytest.mark.gpu
PPO = {
    "s5": {},
    "gru": {"kl_coef": 0.2, "bptt_length": 4},
    "hcam": {"separate_critic_core": True, "value_clip_range": 0.2},
    "muon": {"optimizer": "muon", "encoder": {"normalize": True}},
}


def assert_same_parameters(agent, other):
    for name, network in agent.networks.items():
        expected = other.networks[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(value.cpu(), expected[key].cpu()), f"{name}.{key}"


@pytest.mark.parametrize("kind", PPO)
def test_ppo_recorded_and_run(kind, machine):
    """Five updates with a falling rate, minibatches of two sizes and resets; a wait in a recording raises."""
    env = envs.RecallFirst(num_envs=3, delay=2, device="cuda")
    core = make_small("s5" if kind == "muon" else kind)
    options = {"rollout_length": 8, "num_minibatches": 2, "num_epochs": 2, "device": "cuda"} | PPO[kind]
    options |= {"learning_rate_schedule": "linear", "total_env_steps": 200}
    agent, plain = (make_agent(env, core, **options) for _ in range(2))
    agent.capture_updates()
    make_capturable(plain.optimizer)
    learn = plain._learn_minibatch
    plain._minibatch._function = lambda batch, index, kl_coef, host_is_first: learn(batch, index, kl_coef)
    driver, act = envs.Driver(env, agent.carry_every, capture=True), partial(agent.act, donate=True)
    driver.start(0, agent.initial_carry(3))
    for number in range(5):
        steps = driver.env_steps
        rollout = driver.collect(act, 8)
        machine.reset()
        metrics = agent.update(rollout, steps)
        if number > 2:
            check_waits(machine, CAPTURED_UPDATE)
        assert metrics == plain.update(rollout, steps)
    assert_same_parameters(agent, plain)
    agent.load_state_dict(agent.state_dict())
    assert agent.update(rollout, 0) == plain.update(rollout, 0)
