"""Whole episodes on lanes: by hand, beside a plain loop over a stream with cuts, and when rows are overwritten."""

import itertools

import numpy as np
import pytest
import torch
from row_streams import fill, make_layout, make_replay, no_carries, numbered_rows
from test_replay_draws import chi_square, chi_square_limit

from engram.common.errors import UsageError


def tape(folder, length=12, slots=64, create=True, **options):
    layout = make_layout(slots=slots, window=length)
    options = {"batch_size": 3, "batch_length": length, "sampling": "episodes"} | options
    return make_replay(folder / "replay", layout, create, **options)


def lanes(batch):
    """The lanes of a batch, each parted where episodes begin."""
    for lane in range(batch.rows.batch_size[0]):
        firsts = [*batch.rows["is_first"][lane].nonzero().flatten().tolist(), batch.rows.batch_size[1]]
        yield [batch.rows["obs"][lane, a:b].tolist() for a, b in itertools.pairwise(firsts)]


def test_lanes_by_hand(tmp_path):
    """Episodes of five rows on lanes of twelve: two whole ones and two rows, whose last one is cut."""
    replay = tape(tmp_path)
    fill(replay, 36)
    for _ in range(20):
        batch = replay.sample()
        assert batch.rows["is_first"].nonzero()[:, 1].tolist() == [0, 5, 10] * 3
        assert batch.rows["is_last"].nonzero()[:, 1].tolist() == [4, 9] * 3
        assert batch.rows["is_cut"].nonzero().tolist() == [[lane, 11] for lane in range(3)]
        assert torch.equal(batch.is_trained, ~batch.rows["is_cut"])
        assert batch.carry["count"].eq(0).all() and batch.windows is None
        for lane in lanes(batch):
            assert [len(part) for part in lane] == [5, 5, 2]
            assert all(part == list(range(part[0], part[0] + len(part))) for part in lane)
        obs = batch.rows["obs"]
        assert torch.equal(batch.rows["reward"], obs.float() / 10)
        assert torch.equal(batch.rows["action"], (obs + 1) % 7)


def test_the_newest_episode_is_drawn_as_often_as_any(tmp_path):
    replay = tape(tmp_path, length=5, batch_size=50)
    fill(replay, 30)
    starts = torch.cat([replay.sample().rows["obs"][:, 0].clone() for _ in range(60)])
    counts = torch.bincount(starts % 1000 // 5 + 6 * (starts // 1000), minlength=12)
    assert counts.numel() == 12
    assert chi_square(counts.double(), torch.full((12,), 250.0)) < chi_square_limit(11)


def test_draws_depend_on_seed_counter_and_rows_alone(tmp_path):
    def obs(replay):
        return [replay.sample().rows["obs"].tolist() for _ in range(4)]

    replay, other_blocks, other_seed = (
        tape(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for one, block in ((replay, 2), (other_blocks, 7), (other_seed, 2)):
        fill(one, 84, block, saves=False)
    state = replay.state_dict()
    expected = obs(replay)
    assert obs(other_blocks) == expected != obs(other_seed)
    restored = tape(tmp_path / "a", seed=1, create=False)
    restored.load_state_dict(state)
    assert obs(restored) == expected


def random_rows(first, length, generator):
    """Episodes of one row or more; one in four ends without a last row, as where a stream is cut."""
    rows = numbered_rows(first, length)
    ends = torch.rand(2, length, generator=generator) < 0.2
    rows["is_last"] = ends & (torch.rand(2, length, generator=generator) < 0.75)
    rows["reward"] = (torch.rand(2, length, generator=generator) < 0.1).float()
    return rows, ends


def whole_episodes(rows, oldest, length):
    """Environment, first row and length of every episode that has ended or fills a lane: a plain loop."""
    found = []
    for env in range(2):
        firsts = [n for n in range(oldest, rows.batch_size[1]) if rows["is_first"][env, n]]
        for first, following in itertools.pairwise([*firsts, None]):
            last = rows.batch_size[1] - 1 if following is None else following - 1
            if following is not None or rows["is_last"][env, last] or last - first + 1 >= length:
                count = min(last - first + 1, length)
                is_rewarded = bool(rows["reward"][env, first : first + count].any())
                found.append((env, first, count, int(is_rewarded)))
    return sorted(found)


@pytest.mark.parametrize("length", [3, 8])
def test_which_episodes_there_are_beside_a_plain_loop(tmp_path, length):
    generator = torch.Generator().manual_seed(length)
    replay = tape(tmp_path, length, slots=64)
    played, was_end = [], torch.ones(2, dtype=torch.bool)
    for block in range(100):
        rows, ends = random_rows(3 * block, 3, generator)
        rows["is_first"] = torch.cat([was_end[:, None], ends[:, :-1]], dim=1)
        was_end = ends[:, -1]
        played.append(rows)
        replay.extend(rows, no_carries())
        episodes, stream = replay._episodes, torch.cat(played, dim=1)
        expected = whole_episodes(stream, replay.ring.oldest, length)
        assert sorted(map(tuple, episodes._found.tolist())) == expected
        if block % 10 == 9:
            kept = episodes._found.copy()
            episodes.extend(0)  # as a restored replay does
            assert np.array_equal(episodes._found, kept)
            batch = replay.sample()
            wanted = {(1000 * env + first, count) for env, first, count, _ in expected}
            for lane in lanes(batch):
                assert all((part[0], len(part)) in wanted for part in lane[:-1])
                assert lane[-1][0] in {first for first, _ in wanted}
            env, number = batch.rows["obs"] // 1000, batch.rows["obs"] % 1000
            assert torch.equal(batch.rows["is_last"], stream["is_last"][env, number])
            following = torch.cat([batch.rows["is_first"][:, 1:], torch.ones(3, 1, dtype=torch.bool)], dim=1)
            assert torch.equal(batch.rows["is_cut"], following & ~batch.rows["is_last"])
    assert replay.num_rows > 3 * replay.ring.layout.slots


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1 / 12), (0.5, 0.5 + 0.5 / 12), (1.0, 1.0)])
def test_episodes_with_a_reward_are_drawn_by_their_share(tmp_path, share, expected):
    """Of twelve episodes one is paid, with −1: half of the draws are of it, and of the others it is one in twelve."""
    replay = tape(tmp_path, length=5, batch_size=50, rewarded_share=share)
    for number in range(0, 30, 5):
        rows = numbered_rows(number, 5)
        rows["reward"] = torch.zeros(2, 5)
        if number == 20:
            rows["reward"][1, 3] = -1.0
        replay.extend(rows, no_carries())
    drawn = torch.cat([replay.sample().rows["obs"][:, 0].clone() for _ in range(40)])
    found = drawn.eq(1020).double().mean().item()
    assert abs(found - expected) <= 4 * (expected * (1 - expected) / 2000) ** 0.5


def test_where_no_episode_has_a_reward_all_are_drawn(tmp_path):
    replay = tape(tmp_path, length=5, batch_size=50, rewarded_share=1.0)
    rows = numbered_rows(0, 20)
    rows["reward"] = torch.zeros(2, 20)
    replay.extend(rows, no_carries())
    drawn = torch.cat([replay.sample().rows["obs"][:, 0].clone() for _ in range(10)])
    assert set(drawn.tolist()) == {0, 5, 10, 15, 1000, 1005, 1010, 1015}


def test_an_episode_longer_than_a_lane_is_drawn_as_soon_as_it_fills_one(tmp_path):
    """Rows 10 … are of one that goes on: with three it is not whole, with four it fills a lane."""
    replay = tape(tmp_path, length=4, batch_size=8)
    fill(replay, 10)

    def starts():
        return {part[0] for _ in range(9) for lane in lanes(replay.sample()) for part in lane}

    begun = numbered_rows(10, 3, episode=1000)
    begun["is_first"][:, 0] = True
    replay.extend(begun, no_carries())
    assert starts() == {0, 5, 1000, 1005}
    for number in range(13, 18):
        replay.extend(numbered_rows(number, 1, episode=1000), no_carries())
        assert len(replay._episodes) == 6 and starts() == {0, 5, 10, 1000, 1005, 1010}


def test_without_a_whole_episode_there_is_one_sentence(tmp_path):
    """The episode has begun before the rows that are left, and goes on."""
    replay = tape(tmp_path, length=4, slots=24)
    for first in range(0, 60, 2):
        replay.extend(numbered_rows(first, 2, episode=1000), no_carries())
    with pytest.raises(
        UsageError, match=r"none of the 16 newest rows .* fills a lane of 4 rows: raise agent.rep"
    ):
        replay.sample()
