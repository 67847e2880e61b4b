"""Recorded updates on the pretended device: equal to the bit to running them, and one wait for each."""

from dataclasses import replace
from functools import partial

import on_policy_cases
import pytest
import world_model_cases
from ppo_cases import make_agent
from recorders import assert_same_state, run_plainly
from small_cores import NAMES, make_small
from waits import CAPTURED_UPDATE, check_waits
from world_model_cases import ACTIONS, make_batch

from engram import envs

pytestmark = pytest.mark.gpu
PREDICTION = {"coef": 1, "steps": 2, "target": "ema"}
PPO = {
    "s5": {},
    "gru": {"kl_coef": 0.2, "bptt_length": 4},
    "hcam": {"separate_critic_core": True, "value_clip_range": 0.2},
    "muon": {"optimizer": "muon", "encoder": {"normalize": True}},
    "bfloat16": {"precision": "bfloat16"},
    "auxiliary": {"auxiliary": {"reconstruction": {"coef": 1, "lag": 1}, "self_prediction": PREDICTION}},
}


@pytest.mark.parametrize("kind", PPO)
def test_ppo_recorded_and_run(kind, machine):
    """Five updates with a falling rate, minibatches of two sizes and resets; a wait in a recording raises."""
    env = envs.RecallFirst(num_envs=3, delay=2, device="cuda")
    core = make_small(kind if kind in NAMES else "s5")
    options = {"rollout_length": 8, "num_minibatches": 2, "num_epochs": 2, "device": "cuda"} | PPO[kind]
    options |= {"learning_rate_schedule": "linear", "total_env_steps": 200}
    agent, plain = (make_agent(env, core, **options) for _ in range(2))
    agent.capture_updates()
    run_plainly(plain)
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
    assert_same_state(agent, plain)
    agent.load_state_dict(agent.state_dict())
    assert agent.update(rollout, 0) == plain.update(rollout, 0)


@pytest.mark.parametrize(("kind", "optimizer"), [("impala", "adam"), ("pqn", "radam")])
def test_other_agents_of_rollouts_recorded_and_run(kind, optimizer, machine):
    env = envs.RecallFirst(num_envs=2, delay=2, device="cuda")
    options = {"rollout_length": 8, "num_minibatches": 2, "device": "cuda", "optimizer": optimizer}
    agent, plain = (on_policy_cases.make(kind, env, make_small("s5"), **options) for _ in range(2))
    agent.capture_updates()
    run_plainly(plain)
    driver = envs.Driver(env, 8)
    driver.start(0, agent.initial_carry(2))
    for number in range(3):
        rollout = driver.collect(agent.policy(number), 8)
        machine.reset()
        metrics = agent.update(rollout, number)
        check_waits(machine, CAPTURED_UPDATE)
        assert metrics == plain.update(rollout, number)
    assert_same_state(agent, plain)


@pytest.mark.parametrize("core", NAMES)
def test_every_core_is_recorded(core, machine):
    env = envs.RecallFirst(num_envs=2, delay=2, device="cuda")
    options = {"rollout_length": 4, "num_minibatches": 1, "device": "cuda"}
    agent, plain = (make_agent(env, make_small(core), **options) for _ in range(2))
    agent.capture_updates()
    run_plainly(plain)
    driver = envs.Driver(env, 4)
    driver.start(0, agent.initial_carry(2))
    for _ in range(3):
        rollout = driver.collect(agent.own_policy, 4)
        machine.reset()
        metrics = agent.update(rollout, 0)
        check_waits(machine, CAPTURED_UPDATE)
        assert metrics == plain.update(rollout, 0)


DREAMER = {
    "s5": {"core": "s5"},
    "bfloat16": {"core": "s5", "precision": "bfloat16"},
    "memory": {"core": "gru", "posterior": "memory"},
    "laprop": {"core": "s5", "optimizer": "laprop", "burn_in": 4, "batch_length": 8},
    "muon": {"core": "gru", "optimizer": "muon", "action": ACTIONS["box"], "actor_gradient": "dynamics"},
}


@pytest.mark.parametrize("kind", DREAMER)
def test_a_world_model_recorded_and_run(kind, machine):
    options = {"device": "cuda", "warmup_updates": 4, **DREAMER[kind]}
    agent, plain = (world_model_cases.make_agent(**options) for _ in range(2))
    agent.capture_updates()
    run_plainly(plain)
    for seed in range(5):
        batch = make_batch(agent, seed=seed)
        batch = replace(batch, rows=batch.rows.to("cuda"), is_trained=batch.is_trained.to("cuda"))
        machine.reset()
        metrics = agent.update(batch, 0)
        if seed > 2:
            check_waits(machine, CAPTURED_UPDATE)
        assert metrics == plain.update(batch, 0)
    assert_same_state(agent, plain)
