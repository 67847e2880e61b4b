"""The ring: rows in order, windows that never mix streams or cross the seam, and what a checkpoint needs."""

import pytest
import torch
from row_streams import fill, make_layout, make_replay, no_carries, numbered_rows
from tensordict import TensorDict


def test_a_small_ring_by_hand(tmp_path):
    """Two environments, 20 slots, 8 of them the reserve: rows 28 … 39 are left of 40."""
    replay = make_replay(tmp_path / "replay", make_layout(slots=20))
    layout = replay.ring.layout
    assert (layout.slots, layout.capacity, layout.reserve) == (20, 12, 8)
    fill(replay, 40)
    assert (replay.ring.oldest, replay.num_rows) == (28, 40)
    obs = next(column for column in layout.rows if column.key == ("obs",))
    # Row n lies in slot n modulo 20: rows 20 … 39 are all there.
    assert replay.ring.storage.tensors[obs].tolist() == [list(range(20, 40)), list(range(1020, 1040))]
    starts = set()
    for _ in range(200):
        for window in replay.sample().rows["obs"].tolist():
            assert window == list(range(window[0], window[0] + 6))
            starts.add(window[0])
    assert starts == {*range(28, 35), *range(1028, 1035)}


@pytest.mark.parametrize("num_rows", [6, 7, 56, 63, 64, 66, 127, 300])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_windows_hold_one_stream_in_order(tmp_path, num_rows, block):
    replay = make_replay(tmp_path / "replay", make_layout(num_envs=3), batch_size=8)
    fill(replay, num_rows, block)
    for _ in range(40):
        rows = replay.sample().rows
        start = rows["obs"][:, :1]
        assert torch.equal(rows["obs"], start + torch.arange(6))
        env, number = rows["obs"] // 1000, rows["obs"] % 1000
        assert replay.ring.oldest <= number.min() and number.max() < replay.num_rows and env.max() < 3
        # Every other column comes from the same rows.
        assert torch.equal(rows["reward"], rows["obs"].float() / 10)
        assert torch.equal(rows["prev_action"], rows["obs"] % 7)
        assert torch.equal(rows["action"], (rows["obs"] + 1) % 7)
        assert torch.equal(rows["is_last"], number % 5 == 4)
        expected_first = number % 5 == 0
        expected_first[:, 0] = True  # windows begin with the initial carry
        assert torch.equal(rows["is_first"], expected_first)
        assert not rows["is_cut"].any() and "value" not in rows


def test_nothing_is_drawn_before_there_is_a_window(tmp_path):
    replay = make_replay(tmp_path / "replay")
    fill(replay, 4)
    with pytest.raises(ValueError, match="needs 6 rows of every environment, but 4 are stored"):
        replay.sample()


def test_a_cut_stream_is_marked(tmp_path):
    """Environment 1 is restarted after row 7, in the middle of its episode; environment 0 goes on."""
    replay = make_replay(tmp_path / "replay")
    fill(replay, 8)
    rows = numbered_rows(8, 4)
    rows["is_first"][1, 0] = True
    replay.extend(rows, no_carries())
    cuts = 0
    for _ in range(60):
        batch = replay.sample()
        number, env = batch.rows["obs"] % 1000, batch.rows["obs"] // 1000
        expected = (env == 1) & (number == 7)
        assert torch.equal(batch.rows["is_cut"], expected)
        assert torch.equal(batch.is_trained, ~expected)
        assert not (batch.rows["is_cut"] & batch.rows["is_last"]).any()
        cuts += int(expected.sum())
    assert cuts > 10


def test_the_newest_row_is_not_cut(tmp_path):
    """What lies in the slot after the newest row is an old row, or nothing: it must not be read."""
    replay = make_replay(tmp_path / "replay", make_layout(slots=20))
    for num_rows in range(6, 60):
        fill(replay, num_rows, block=1)
        assert not replay.sample().rows["is_cut"].any()


def test_episode_ends_inside_a_window(tmp_path):
    replay = make_replay(tmp_path / "replay", batch_length=12)
    fill(replay, 30)
    rows = replay.sample().rows
    assert (rows["is_last"].sum(1) >= 2).all()
    assert torch.equal(rows["is_first"][:, 1:], rows["is_last"][:, :-1])


def test_burn_in_rows_come_first_and_do_not_count(tmp_path):
    replay = make_replay(tmp_path / "replay", batch_length=6, burn_in=3)
    fill(replay, 40)
    batch = replay.sample()
    assert batch.rows.batch_size == (4, 9) and batch.is_trained.shape == (4, 9)
    assert not batch.is_trained[:, :3].any() and batch.is_trained[:, 3:].all()
    assert batch.carry.batch_size == (4,)


@pytest.mark.parametrize(("every", "block"), [(1, 2), (2, 2), (4, 4), (2, 4), (8, 2), (4, 1)])
def test_stored_carries_are_those_before_the_window(tmp_path, every, block):
    """The carry before row n of environment e is 1000 e + n; windows begin where one was stored."""
    layout = make_layout(slots=96, window=10, block=block, carry_every=every)
    replay = make_replay(
        tmp_path / "replay", layout, batch_length=10, stored_carry=lambda carry: carry.select("count")
    )
    step = min(every, block)
    while replay.num_rows < 250:
        if replay.ring.needs_checkpoint(block):
            replay.ring.mark_saved()
        first = replay.num_rows
        before = 1000.0 * torch.arange(2)[:, None] + torch.arange(first, first + block, step)
        carries = TensorDict({"count": before, "other": before}, batch_size=before.shape)
        replay.extend(numbered_rows(first, block), carries)
        if replay.num_rows < 10:
            continue
        batch = replay.sample()
        assert torch.equal(batch.carry["count"], batch.rows["obs"][:, 0].float())
        assert set(batch.carry.keys()) == {"count"}
        assert (batch.rows["obs"][:, 0] % 1000 % every == 0).all()
        # The stored carry stands for what came before, so no row is made a first one.
        assert torch.equal(batch.rows["is_first"], batch.rows["obs"] % 5 == 0)


def test_rows_that_two_checkpoints_need_are_not_overwritten(tmp_path):
    replay = make_replay(tmp_path / "replay", make_layout(slots=64))
    ring, layout = replay.ring, replay.ring.layout
    saved = [0, 0]  # the one before the last, the last
    for _ in range(200):
        if ring.needs_checkpoint(2):
            ring.mark_saved()
            saved = [saved[1], replay.num_rows]
        replay.extend(numbered_rows(replay.num_rows, 2), no_carries())
        # The oldest row still there, against the oldest that each checkpoint may draw from.
        still_there = max(0, replay.num_rows - layout.slots)
        for position in saved:
            assert position == 0 or still_there <= max(0, position - layout.capacity)
    assert saved[0] > 300


def test_overwriting_what_a_checkpoint_needs_is_refused(tmp_path):
    replay = make_replay(tmp_path / "replay", make_layout(slots=64))
    fill(replay, 30)
    for _ in range(2):
        replay.ring.mark_saved()
    with pytest.raises(RuntimeError, match="the checkpoint before the last one needs"):
        fill(replay, 100, saves=False)
    assert replay.num_rows == 64


def test_without_checkpoints_a_ring_goes_on(tmp_path):
    replay = make_replay(tmp_path / "replay", make_layout(slots=64))
    fill(replay, 300, saves=False)
    assert replay.num_rows == 300
