"""Rows whose numbers say where they belong."""

import torch
from tensordict import TensorDict

from engram.agents.replay import Replay, Storage
from engram.agents.replay.layout import Column, plan_layout, row_columns


def numbered_rows(first, length, num_envs=2, episode=5):
    """Rows `first` … of every environment, `[num_envs, length]`: `obs` is 1000 · environment + number.

    Every episode has `episode` rows.
    """
    number = torch.arange(first, first + length)
    obs = 1000 * torch.arange(num_envs)[:, None] + number
    is_first, is_last = (number % episode == 0), (number % episode == episode - 1)
    flags = {"is_first": is_first, "is_last": is_last, "is_terminal": is_last}
    rows = {
        "obs": obs,
        "reward": obs.float() / 10,
        "prev_action": obs % 7,
        **{name: flag.expand(num_envs, -1).clone() for name, flag in flags.items()},
        "action": (obs + 1) % 7,
        "value": torch.zeros(num_envs, length),  # an extra of the agent's, not to be stored
    }
    return TensorDict(rows, batch_size=[num_envs, length])


def no_carries(num_envs=2):
    return TensorDict({}, batch_size=[num_envs, 1])


def count_carry(batch_size):
    """A carry that counts rows."""
    return TensorDict({"count": torch.zeros(batch_size)}, batch_size=[batch_size])


def make_layout(num_envs=2, slots=64, window=6, block=2, carry_every=None):
    """A layout of so many slots for `numbered_rows`."""
    columns = row_columns(numbered_rows(0, 1, num_envs)[:, 0])
    every = carry_every or 1
    carries = (Column("carry", ("count",), torch.float32, (), every),) if carry_every else ()
    group = every * sum(column.num_bytes for column in columns) + 4 * len(carries)
    return plan_layout(
        num_envs,
        columns,
        slots // every * num_envs * group,
        window_length=window,
        block_length=block,
        carries=carries,
        carry_every=every,
    )


def make_replay(folder, layout=None, create=True, **options):
    """A replay of windows of 6 rows, 4 to a batch."""
    layout = layout or make_layout()
    storage = (Storage.create if create else Storage.open)(folder, layout)
    options = {"batch_size": 4, "batch_length": 6, "initial_carry": count_carry} | options
    return Replay(storage, **options)


def fill(replay, num_rows, block=2, saves=True):
    """Add rows in blocks until there are `num_rows`, with a checkpoint's notes where one is due."""
    num_envs = replay.ring.layout.num_envs
    while replay.num_rows < num_rows:
        if saves and replay.ring.needs_checkpoint(block):
            replay.state_dict()
            replay.ring.mark_saved()
        replay.extend(numbered_rows(replay.num_rows, block, num_envs), no_carries(num_envs))
