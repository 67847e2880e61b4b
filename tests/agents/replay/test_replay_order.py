"""A replay finds its files whatever the order in which a row's leaves come."""

import torch
from row_streams import count_carry, no_carries
from tensordict import TensorDict

from engram.agents.replay import Replay, Storage
from engram.agents.replay.layout import plan_layout, row_columns


def nested_rows(order, length):
    """Rows of two environments whose observation has leaves in this order."""
    number = torch.arange(length).expand(2, -1)
    flags = {name: number % 5 == 0 for name in ("is_first", "is_last", "is_terminal")}
    obs = {name: number * (2 + "ab".index(name)) for name in order}
    content = {"obs": obs, "reward": number.float(), "prev_action": number % 2, **flags, "action": number % 2}
    return TensorDict(content, batch_size=[2, length])


def open_replay(folder, order, make):
    columns = row_columns(nested_rows(order, 1)[:, 0])
    layout = plan_layout(2, columns, 20_000, window_length=4, block_length=2)
    options = {"batch_size": 3, "batch_length": 4, "initial_carry": count_carry}
    return Replay(make(folder, layout), **options)


def test_another_order_of_leaves_is_the_same_replay(tmp_path):
    """A checkpoint gives a native environment's row back with its leaves sorted."""
    written = open_replay(tmp_path / "replay", "ba", Storage.create)
    written.extend(nested_rows("ba", 12), no_carries())
    state = written.state_dict()
    read = open_replay(tmp_path / "replay", "ab", Storage.open)
    read.load_state_dict(state)
    expected, got = written.sample().rows, read.sample().rows
    assert torch.equal(got["obs", "a"], expected["obs", "a"])
    assert torch.equal(got["obs", "b"] * 2, got["obs", "a"] * 3)


def test_a_state_whose_columns_stood_in_another_order_is_read(tmp_path):
    """As they did before they were sorted: with checksums in the same order."""
    written = open_replay(tmp_path / "replay", "ba", Storage.create)
    written.extend(nested_rows("ba", 12), no_carries())
    ring = written.state_dict()["ring"]
    ring["layout"]["files"].reverse()
    for segment in ring["segments"]:
        segment[2].reverse()
    read = open_replay(tmp_path / "replay", "ab", Storage.open)
    read.load_state_dict({"ring": ring, "num_batches": 0, "num_steps": 0})
    assert read.num_rows == 12
