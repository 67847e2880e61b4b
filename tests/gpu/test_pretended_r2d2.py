"""R2D2 on the pretended device: priorities and whole episodes cost no wait beside those that are there anyway."""

from functools import partial

import pytest
from recorders import assert_same_state, run_plainly
from small_cores import make_small
from test_r2d2 import make_r2d2
from waits import EXTEND, REPLAY_UPDATE, ROLLOUT, check_waits

from engram import envs

pytestmark = pytest.mark.gpu
REPLAY = {"store_carry_every": 8, "prefill": 40, "capacity_bytes": 100_000}
KINDS = {
    "prioritized": {"burn_in": 2},
    "episodes": {"burn_in": 0, "carry_from": "initial"},
    "uniform": {"burn_in": 2},
}


@pytest.mark.parametrize("sampling", KINDS)
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_a_rollout_a_draw_and_an_update(sampling, core, machine, tmp_path):
    env = envs.make_env("popgym/repeat_previous_easy", 2, device="cuda")
    options = {"device": "cuda", "rollout_length": 8, "batch_size": 2, "batch_length": 12, **KINDS[sampling]}
    make = partial(make_r2d2, env, make_small(core), replay=REPLAY | {"sampling": sampling}, **options)
    agent, again = make(), make()
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(2))
    agent.open_files(tmp_path, driver.row, is_new=True)
    while agent.num_updates < 2:
        steps = driver.env_steps
        agent.learn(driver.collect(agent.policy(steps), 8), steps)
    machine.reset()
    rollout = driver.collect(agent.policy(steps), 8)
    check_waits(machine, ROLLOUT)
    agent.replay.extend(rollout.rows, rollout.carries)
    check_waits(machine, EXTEND)
    again.load_state_dict(agent.state_dict())
    again._replay = agent.replay
    state = agent.run_state()
    machine.reset()
    batch = agent.replay.sample()
    check_waits(machine, {})
    metrics = agent.update(batch, 0)
    check_waits(machine, REPLAY_UPDATE)
    agent.load_run_state(state)
    assert again.update(agent.replay.sample(), 0) == metrics


@pytest.mark.parametrize("sampling", KINDS)
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_recorded_and_run(sampling, core, machine, tmp_path):
    env = envs.make_env("popgym/repeat_previous_easy", 2, device="cuda")
    options = {"device": "cuda", "rollout_length": 8, "batch_size": 2, "batch_length": 12, **KINDS[sampling]}
    make = partial(make_r2d2, env, make_small(core), replay=REPLAY | {"sampling": sampling}, **options)
    agent, plain = make(), make()
    agent.capture_updates()
    run_plainly(plain)
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(2))
    agent.open_files(tmp_path, driver.row, is_new=True)
    plain._replay = agent.replay
    while agent.replay.num_rows < 80:
        rollout = driver.collect(agent.own_policy, 8)
        agent.replay.extend(rollout.rows, rollout.carries)
    for number in range(4):
        batch = agent.replay.sample()
        machine.reset()
        metrics = agent.update(batch, 0)
        if number > 2:
            check_waits(machine, REPLAY_UPDATE)
        assert metrics == plain.update(batch, 0)
    assert_same_state(agent, plain)
