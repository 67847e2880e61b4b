"""IMPALA and PQN on the pretended device: they wait where PPO does, and play recorded."""

from functools import partial

import pytest
import torch
from on_policy_cases import make
from small_cores import make_small
from waits import PPO_UPDATE, ROLLOUT, check_waits

from engram import envs
from engram.envs.captured import CapturedPlay

pytestmark = pytest.mark.gpu
LENGTH = 8


@pytest.mark.parametrize("kind", ["impala", "pqn"])
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_an_agent(kind, core, machine):
    env = envs.make_env("popgym/repeat_previous_easy", 4, device="cuda")
    agent = make(
        kind, env, make_small(core), device="cuda", rollout_length=LENGTH, num_minibatches=2, optimizer="adam"
    )
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(4))
    agent.update(driver.collect(agent.policy(0), LENGTH), 0)
    machine.reset()
    rollout = driver.collect(agent.policy(32), LENGTH)
    check_waits(machine, ROLLOUT)
    assert all(value == value for value in agent.update(rollout, 32).values())
    check_waits(machine, PPO_UPDATE)
    captured = CapturedPlay(env, partial(agent.act, donate=True), 4, 4)
    with torch.no_grad():
        first = captured(driver.row, agent.initial_carry(4))
        machine.reset()
        captured(first.pending, first.pending_carry)
    assert not machine.events
