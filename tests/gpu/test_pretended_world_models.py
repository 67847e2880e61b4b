"""World models on the pretended device: collect, sample, update, draw, save, continue, and a rollout recorded."""

from functools import partial

import pytest
import torch
from waits import EXTEND, ROLLOUT, WORLD_MODEL_UPDATE, check_waits

from engram.command_line.config import compose_config
from engram.envs.captured import CapturedPlay
from engram.training.new_run import describe_agent
from engram.training.session import Session

pytestmark = pytest.mark.gpu
WORDS = (
    "device=cuda capture=false num_envs=2 evaluation.interval=null agent.replay.capacity_bytes=3_000_000 "
    "agent.replay.prefill=100 agent.batch_size=2 agent.batch_length=8 agent.rollout_length=8 "
    "agent.imagination_horizon=3 size=tiny "
)
KINDS = {
    "r2i": "agent=r2i",
    "dreamerv3": "agent=dreamerv3 agent.burn_in=0",
    "laprop": "agent=r2i agent.optimizer=laprop",
    "box": "agent=r2i env=popgym/position_only_pendulum_easy",
    "gru": "agent=r2i core=gru core.hidden_size=16",
}


def fill(session):
    agent, replay = session.agent, session.agent.replay
    while replay.num_rows < replay.window_length + 8:
        rollout = session.driver.collect(partial(agent.act, donate=True), agent.rollout_length)
        replay.extend(rollout.rows, rollout.carries)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_model(kind, machine, tmp_path):
    config = compose_config("train", [*WORDS.split(), *KINDS[kind].split()]).values
    session = Session.build(config)
    session.start()
    (tmp_path / "checkpoints").mkdir()
    session.open_files(tmp_path, is_new=True)
    agent, replay = session.agent, session.agent.replay
    fill(session)
    agent.update(replay.sample(), 0)  # makes what is made lazily

    machine.reset()
    rollout = session.driver.collect(partial(agent.act, donate=True), agent.rollout_length)
    check_waits(machine, ROLLOUT)
    replay.extend(rollout.rows, rollout.carries)
    check_waits(machine, EXTEND)
    batch = replay.sample()
    check_waits(machine, {})  # through pinned memory
    agent.update(batch, 0)
    check_waits(machine, WORLD_MODEL_UPDATE)
    assert agent.pictures()

    for name, text in describe_agent(agent).items():
        (tmp_path / name).write_text(text)
    session.save(tmp_path, "latest")
    again = Session.build(config)
    again.resume(tmp_path)
    batch = again.agent.replay.sample()
    machine.reset()
    again.agent.update(batch, 0)
    check_waits(machine, WORLD_MODEL_UPDATE)

    captured = CapturedPlay(session.driver.env, partial(agent.act, donate=True), 4, 4)
    with torch.no_grad():
        played = captured(session.driver.row, agent.initial_carry(2))
        machine.reset()
        captured(played.pending, played.pending_carry)
    assert not machine.events
