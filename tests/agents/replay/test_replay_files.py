"""The files of a replay: their size, what a checkpoint finds again, damage by name, and a full disk."""

import errno
import itertools
import json
import os
import resource

import pytest
import torch
from row_streams import fill, make_layout, make_replay, no_carries, numbered_rows
from tensordict import TensorDict

from engram.agents.replay import DamagedReplayError, Storage
from engram.agents.replay.layout import Column, carry_columns, plan_layout, row_columns
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def columns_of(**leaves):
    row = {"obs": leaves.pop("obs"), "prev_action": torch.zeros(3), "reward": torch.zeros(3), **leaves}
    return row_columns(TensorDict(row, batch_size=[3]))


@pytest.mark.parametrize("capacity_bytes", [2_000, 100_000, 1_234_567])
@pytest.mark.parametrize("carry_every", [None, 4])
def test_the_limit_in_bytes_is_kept_and_used(tmp_path, capacity_bytes, carry_every):
    rows = row_columns(numbered_rows(0, 1)[:, 0])
    carries = (Column("carry", ("count",), torch.float32, (), 4),) if carry_every else ()
    layout = plan_layout(
        2,
        rows,
        capacity_bytes,
        window_length=6,
        block_length=2,
        carries=carries,
        carry_every=carry_every or 1,
    )
    storage = Storage.create(tmp_path / "replay", layout)
    size = folder_bytes(tmp_path / "replay")
    # A row has 8 + 4 + 8 + 8 + 3 bytes; one more row, or group of four and a carry, would not fit.
    group = 2 * 31 if carry_every is None else 2 * (4 * 31 + 4)
    assert size == layout.num_bytes and capacity_bytes - group < size <= capacity_bytes
    used = sum(os.stat(storage.path(column)).st_blocks * 512 for column in layout.columns)
    assert used >= size  # the room is taken, not only promised


def test_the_smallest_limit_is_named(tmp_path):
    rows = row_columns(numbered_rows(0, 1)[:, 0])
    for every in (1, 4):
        arguments = {"window_length": 30, "block_length": 3, "carry_every": every}
        with pytest.raises(ValueError, match=r"expected capacity_bytes >= [\d,]+, but got 100;") as caught:
            plan_layout(2, rows, 100, **arguments)
        named = int(str(caught.value).split(">= ")[1].split(", but")[0].replace(",", ""))
        assert plan_layout(2, rows, named, **arguments).capacity >= 30 + every - 1
        with pytest.raises(ValueError, match="expected capacity_bytes"):
            plan_layout(2, rows, named - 1, **arguments)


def test_images_stay_bytes_and_nested_keys_get_files(tmp_path):
    obs = TensorDict({"image": torch.zeros(3, 8, 8, 3, dtype=torch.uint8), "a/b": torch.zeros(3, 2)}, [3])
    columns = columns_of(obs=obs, action_mask=torch.ones(3, 5, dtype=torch.bool))
    sizes = {column.key: column.num_bytes for column in columns}
    assert sizes[("obs", "image")] == 192 and sizes[("obs", "a/b")] == 8 and sizes[("action_mask",)] == 5
    layout = plan_layout(3, columns, 100_000, window_length=4, block_length=1)
    Storage.create(tmp_path / "replay", layout)
    names = {path.name for path in (tmp_path / "replay").iterdir()}
    assert {"row+obs+image.bin", "row+obs+a%2Fb.bin", "row+action.bin"} <= names


def test_a_large_carry_is_refused():
    carry = TensorDict({"memory": torch.zeros(3, 100)}, [3])
    assert carry_columns(carry, 8, max_bytes=400)[0].rows_per_element == 8
    with pytest.raises(ValueError, match="at most 399 bytes, but this agent's has 400;"):
        carry_columns(carry, 8, max_bytes=399)


def assert_same_batches(one, other, batches=10):
    for _ in range(batches):
        a, b = one.sample(), other.sample()
        for key in a.rows.keys():
            assert torch.equal(a.rows[key], b.rows[key])
        assert torch.equal(a.is_trained, b.is_trained)


def save(replay, path):
    """Write a checkpoint as a session does."""
    save_checkpoint(path, {"replay": replay.state_dict()}, keep_previous=True)
    replay.ring.mark_saved()


@pytest.mark.parametrize("num_rows", [0, 6, 40, 100, 334])
def test_a_restored_replay_goes_on_to_the_bit(tmp_path, num_rows):
    """Rows and batches after the checkpoint are made twice: by the first replay, and by one that is restored."""
    replay = make_replay(tmp_path / "replay")
    fill(replay, num_rows)
    if num_rows:
        drawn_before = [replay.sample() for _ in range(3)]
        assert len(drawn_before) == replay.num_batches
    save(replay, tmp_path / "state.safetensors")
    uninterrupted = make_replay(tmp_path / "twin")
    fill(uninterrupted, num_rows)
    uninterrupted.num_batches = replay.num_batches
    # The first goes on, as a run that is killed does, and overwrites what it may.
    while not replay.ring.needs_checkpoint(2) and replay.num_rows < num_rows + 30:
        replay.extend(numbered_rows(replay.num_rows, 2) * 0, no_carries())
    restored = make_replay(tmp_path / "replay", create=False)
    restored.load_state_dict(load_checkpoint(tmp_path / "state.safetensors")["replay"])
    assert (restored.num_rows, restored.num_batches) == (num_rows, uninterrupted.num_batches)
    for more in (6, 30, 60):
        fill(restored, num_rows + more)
        fill(uninterrupted, num_rows + more)
        assert_same_batches(restored, uninterrupted)
    assert restored.state_dict()["ring"]["num_rows"] == uninterrupted.num_rows


def test_the_checkpoint_before_the_last_one_can_be_gone_back_to(tmp_path):
    """At any moment both checkpoints on disk still find all their rows."""
    replay, saved = make_replay(tmp_path / "replay"), []
    for _ in range(150):
        if replay.ring.needs_checkpoint(2):
            saved = [*saved[-1:], replay.state_dict()]
            replay.ring.mark_saved()
        replay.extend(numbered_rows(replay.num_rows, 2), no_carries())
        for state in saved:
            restored = make_replay(tmp_path / "replay", create=False)
            restored.load_state_dict(state)
            oldest, obs = restored.ring.oldest, restored.ring.layout.rows[0]
            assert obs.key == ("obs",)
            slots = torch.arange(oldest, restored.num_rows) % restored.ring.layout.slots
            stored = restored.ring.storage.tensors[obs][:, slots]
            assert torch.equal(stored, numbered_rows(oldest, restored.num_rows - oldest)["obs"])


def test_rows_are_flushed_before_a_checkpoint_counts_on_them(tmp_path, monkeypatch):
    replay = make_replay(tmp_path / "replay")
    fill(replay, 20)
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: (synced.append(os.readlink(f"/proc/self/fd/{descriptor}")), real(descriptor)),
    )
    replay.state_dict()
    assert sorted(synced) == sorted(str(path) for path in (tmp_path / "replay").iterdir())


@pytest.fixture
def stored(tmp_path):
    """The folder of a replay and its state."""
    replay = make_replay(tmp_path / "replay")
    fill(replay, 100)
    return tmp_path / "replay", replay.state_dict()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: os.truncate(path, 100), r"row\+reward.bin has 100 bytes where 512 bytes were expected"),
        (lambda path: path.write_bytes(path.read_bytes() + b"0"), r"row\+reward.bin has 513 bytes"),
        (lambda path: path.unlink(), r"row\+reward.bin is missing"),
    ],
)
def test_a_file_of_another_size_is_named(stored, damage, message):
    folder, _ = stored
    damage(folder / "row+reward.bin")
    with pytest.raises(DamagedReplayError, match=message):
        make_replay(folder, create=False)


def test_a_changed_row_is_found_and_its_file_named(stored):
    folder, state = stored
    path = folder / "row+prev_action.bin"
    content = bytearray(path.read_bytes())
    row = 97 % 64  # of environment 0; the state's rows end with number 99
    content[8 * row] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DamagedReplayError, match=r"row\+prev_action.bin is damaged: the checksum of rows 97 to 97"
    ):
        make_replay(folder, create=False).load_state_dict(state)


def damaged_rows(folder, state, layout):
    """Which of the newest rows are missed when one of environment 1 is changed and the replay opened."""
    path = folder / "row+obs.bin"
    intact, missed = path.read_bytes(), []
    for number in range(100 - layout.slots, 100):
        content = bytearray(intact)
        content[8 * (64 + number % 64)] ^= 255
        path.write_bytes(content)
        try:
            make_replay(folder, create=False).load_state_dict(state)
            missed.append(number)
        except DamagedReplayError:
            pass
    path.write_bytes(intact)
    return missed


def test_every_row_that_may_be_drawn_is_verified(stored):
    folder, state = stored
    layout = make_layout()
    assert damaged_rows(folder, state, layout) == list(range(100 - layout.slots, 100 - layout.capacity))


def test_the_oldest_rows_stay_verified_from_checkpoint_to_checkpoint(tmp_path):
    """The first segment begins with the oldest row, also where the ring has gone round many times."""
    replay = make_replay(tmp_path / "replay")
    for num_rows in (40, 58, 64, 66, 70, 130, 136, 200):
        fill(replay, num_rows)
        segments = replay.state_dict()["ring"]["segments"]
        replay.ring.mark_saved()
        assert (
            segments[0][0] == max(0, num_rows - replay.ring.layout.capacity) and segments[-1][1] == num_rows
        )
        assert all(one[1] == other[0] for one, other in itertools.pairwise(segments))
        restored = make_replay(tmp_path / "replay", create=False)
        restored.load_state_dict(
            {"num_batches": 0, "num_steps": 0, "ring": json.loads(json.dumps(replay.ring.state_dict()))}
        )


def test_a_state_of_before_is_read_and_its_oldest_rows_verified_from_then_on(stored):
    """Its first segment begins after the oldest row, and it has no number."""
    folder, state = stored
    ring = {key: value for key, value in state["ring"].items() if key != "format"}
    assert ring["segments"][3][0] == 47 and ring["segments"][0][0] == 44
    replay = make_replay(folder, create=False)
    replay.load_state_dict(
        {"num_batches": 0, "num_steps": 0, "ring": ring | {"segments": ring["segments"][3:]}}
    )
    assert [part[:2] for part in replay.state_dict()["ring"]["segments"][:4]] == [
        [44, 45],
        [45, 46],
        [46, 47],
        [47, 48],
    ]
    empty = make_replay(folder, create=False)
    empty.load_state_dict({"num_batches": 0, "num_steps": 0, "ring": ring | {"segments": []}})
    assert empty.num_rows == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_rows": 99}, "segments: expected rows from 43 on"),
        ({"num_rows": 10**9}, "segments: expected rows from 999999944 on"),
        ({"saved_before": 101}, "saved_before: expected at most 100 rows, got 101"),
        ({"segments": []}, "num_rows: expected 44, where the segments end"),
        (
            {"segments": lambda parts: parts[1:]},
            "expected rows from 44 on and 7 checksums, got rows 45 to 46",
        ),
        ({"segments": lambda parts: [*parts[:5], *parts[6:]]}, "expected rows from 49 on"),
        ({"segments": lambda parts: [[44, 44, parts[0][2]], *parts]}, "got rows 44 to 44 and 7"),
        ({"segments": lambda parts: [[44, 45, [1, 2]], *parts[1:]]}, "got rows 44 to 45 and 2"),
        ({"format": 3}, "has at most format 2 here, but got 3"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(stored, change, message):
    folder, state = stored
    ring = dict(state["ring"])
    for key, value in change.items():
        ring[key] = value(ring[key]) if callable(value) else value
    with pytest.raises(ValueError, match=message):
        make_replay(folder, create=False).load_state_dict({**state, "ring": ring})


def test_another_layout_is_refused(stored, tmp_path):
    _, state = stored
    other = make_replay(tmp_path / "other", make_layout(slots=80))
    with pytest.raises(
        ValueError, match="must have the layout that the configuration gives, but the files differ"
    ):
        other.load_state_dict(state)


def test_a_full_disk_is_found_at_once_and_nothing_left(tmp_path, monkeypatch):
    real, calls = os.posix_fallocate, []

    def full_at_the_third(descriptor, offset, length):
        calls.append(length)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", full_at_the_third)
    layout = make_layout()
    message = rf"{layout.num_bytes:,} bytes do not fit into .*replay \(No space left on device\); free space"
    with pytest.raises(OSError, match=message):
        make_replay(tmp_path / "replay", layout)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_on_file_sizes(tmp_path):
    """The same by the system itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))
    try:
        with pytest.raises(OSError, match="do not fit into") as caught:
            make_replay(tmp_path / "replay")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG and list(tmp_path.iterdir()) == []


def test_a_copy_with_holes_gets_its_room_back(stored):
    """A file copied without its empty blocks would ask the disk for room in the middle of a run."""
    folder, state = stored
    for path in folder.iterdir():
        content = path.read_bytes()
        path.unlink()
        with path.open("wb") as file:
            file.truncate(len(content))
    assert all(path.stat().st_blocks == 0 for path in folder.iterdir())
    make_replay(folder, create=False)
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in folder.iterdir())
    assert state["ring"]["num_rows"] == 100


def test_a_system_that_cannot_reserve_sets_the_size(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    replay = make_replay(tmp_path / "replay")
    fill(replay, 40)
    assert folder_bytes(tmp_path / "replay") == replay.ring.layout.num_bytes
