"""SAC on the pretended device: it waits where a world model does, is saved and continued, and learns recorded."""

from functools import partial

import pytest
import torch
from recorders import assert_same_state, run_plainly
from sac_cases import make_sac, window
from small_cores import make_small
from waits import CAPTURED_UPDATE, EXTEND, REPLAY_UPDATE, ROLLOUT, check_waits

from engram import envs
from engram.envs.captured import CapturedPlay
from engram.envs.popgym.pendulum import PositionOnlyPendulum

pytestmark = pytest.mark.gpu
ENVS = {
    "box": lambda: PositionOnlyPendulum(num_envs=2, max_episode_length=5, device="cuda"),
    "discrete": lambda: envs.make_env("popgym/repeat_previous_easy", 2, device="cuda"),
}
OPTIONS = {
    "device": "cuda",
    "rollout_length": 8,
    "batch_size": 2,
    "batch_length": 6,
    "burn_in": 2,
    "replay": {"store_carry_every": 8, "prefill": 40, "prefill_policy": "random", "capacity_bytes": 100_000},
}


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_from_a_random_start_to_a_recorded_rollout(kind, core, machine, tmp_path):
    env = ENVS[kind]()
    agent = make_sac(env, make_small(core), **OPTIONS)
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
    batch = agent.replay.sample()
    check_waits(machine, {})
    assert all(value == value for value in agent.update(batch, 0).values())
    check_waits(machine, REPLAY_UPDATE)
    again = make_sac(env, make_small(core), **OPTIONS)
    again.load_state_dict(agent.state_dict())
    assert again.update(batch, 0) == agent.update(batch, 0)

    captured = CapturedPlay(env, partial(agent.act, donate=True), 4, 4)
    with torch.no_grad():
        played = captured(driver.row, agent.initial_carry(2))
        machine.reset()
        captured(played.pending, played.pending_carry)
    assert not machine.events


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_recorded_and_run(kind, core, machine):
    env = ENVS[kind]()
    agent, plain = (make_sac(env, make_small(core), **OPTIONS) for _ in range(2))
    agent.capture_updates()
    run_plainly(plain)
    for number in range(5):
        batch = window(agent, env)
        machine.reset()
        metrics = agent.update(batch, 0)
        if number > 2:
            check_waits(machine, CAPTURED_UPDATE)
        assert metrics == plain.update(batch, 0)
    assert_same_state(agent, plain)
