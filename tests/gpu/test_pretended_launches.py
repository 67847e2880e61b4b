"""Launches on the pretended device, with the default sizes: of a row of a rollout, and of an update.

A number here is what was counted last: more fails, and fewer is to be written down.
"""

from functools import partial

import pytest

from engram.command_line.config import compose_config
from engram.training.session import Session

pytestmark = pytest.mark.gpu
LENGTH = 16
PPO = (
    "env=popgym/repeat_previous_easy device=cuda capture=false num_envs=8 evaluation.interval=null "
    f"agent.rollout_length={LENGTH} agent.num_minibatches=2 core="
)
PPO_LAUNCHES = {"s5": (115, 186), "lstm": (87, 97), "gru": (86, 94), "hcam": (191, 440)}
"""By core: of a row, acting and the environment's step, and of a minibatch."""

WORLD_MODEL = (
    "device=cuda capture=false num_envs=4 evaluation.interval=null agent.replay.capacity_bytes=30_000_000 "
    "agent.replay.prefill=300 agent.burn_in=0 agent.batch_length=64 "
)
WORLD_MODEL_LAUNCHES = {
    "agent=r2i size=tiny": (138, 2110),
    "agent=dreamerv3 size=1M": (120, 4983),
}
"""By agent: of a row, and of an update on windows of 64 rows."""


def session(words):
    made = Session.build(compose_config("train", words.split()).values)
    made.start()
    return made


def collect(made, length):
    return made.driver.collect(partial(made.agent.act, donate=True), length)


def count(machine, call):
    machine.reset()
    call()
    return sum(machine.launches.values())


@pytest.mark.parametrize("core", PPO_LAUNCHES)
def test_ppo(core, machine):
    updates = {}
    for epochs in (1, 2):
        made = session(f"{PPO}{core} agent.num_epochs={epochs}")
        made.agent.update(collect(made, LENGTH), 0)  # makes what is made lazily
        rollout = collect(made, LENGTH)
        updates[epochs] = count(machine, lambda made=made, rollout=rollout: made.agent.update(rollout, 0))
    row = count(machine, lambda: collect(made, LENGTH)) / LENGTH
    minibatch = (updates[2] - updates[1]) / 2
    check((row, minibatch), PPO_LAUNCHES[core])


@pytest.mark.parametrize("words", WORLD_MODEL_LAUNCHES)
def test_a_world_model(words, machine, tmp_path):
    made = session(WORLD_MODEL + words)
    (tmp_path / "checkpoints").mkdir()
    made.open_files(tmp_path, is_new=True)
    agent, replay = made.agent, made.agent.replay
    while replay.num_rows < replay.window_length + 8:
        rollout = collect(made, agent.rollout_length)
        replay.extend(rollout.rows, rollout.carries)
    agent.update(replay.sample(), 0)
    batch = replay.sample()
    update = count(machine, lambda: agent.update(batch, 0))
    row = count(machine, lambda: collect(made, agent.rollout_length)) / agent.rollout_length
    check((row, update), WORLD_MODEL_LAUNCHES[words])


def check(found, most):
    """Hold launches against the most there may be."""
    found = tuple(map(round, found))
    assert all(one <= limit for one, limit in zip(found, most, strict=True)), (
        f"{found} launches, more than {most}"
    )
