"""Which windows are drawn: by a key alone, uniformly or by recency."""

import math

import torch
from row_streams import fill, make_layout, make_replay, no_carries, numbered_rows

from engram.agents.replay.windows import draw_windows
from engram.common.streams import whole_numbers


def chi_square(counts, expected):
    return ((counts - expected) ** 2 / expected).sum().item()


def chi_square_limit(degrees):
    """About the 1 - 1e-6 quantile (Wilson and Hilferty 1931)."""
    return degrees * (1 - 2 / (9 * degrees) + 4.753 * math.sqrt(2 / (9 * degrees))) ** 3


def draw(sampling, count=200_000, num_envs=4, num_starts=50):
    return draw_windows(7, count, num_envs, num_starts, sampling == "recency")


def expected_ages(num_starts):
    age = torch.arange(num_starts, dtype=torch.float64)
    return torch.log((age + 2) / (age + 1)) / math.log(num_starts + 1)


def test_uniform_draws():
    """200 000 draws of 4 x 50 places: a start that is left out shows, and so does a half preferred by 6 %."""
    envs, ages = draw("uniform")
    counts = torch.bincount(envs * 50 + ages, minlength=200).double()
    expected = torch.full_like(counts, 1000.0)
    assert counts.numel() == 200 and chi_square(counts, expected) < chi_square_limit(199)
    left_out = counts.view(4, 50).clone()
    left_out[:, 49] = 0
    assert chi_square(left_out.flatten(), expected) > chi_square_limit(199)
    preferred = counts.view(4, 50).clone()
    preferred[:, :25] *= 1.06
    preferred[:, 25:] *= 0.94
    assert chi_square(preferred.flatten(), expected) > chi_square_limit(199)


def test_recency_draws():
    """The ages follow the stated weights, which add up to one; uniform draws fail the same test at once."""
    probability = expected_ages(50)
    assert math.isclose(probability.sum().item(), 1, rel_tol=1e-12)
    envs, ages = draw("recency")
    counts = torch.bincount(ages, minlength=50).double()
    assert counts.numel() == 50
    assert chi_square(counts, 200_000 * probability) < chi_square_limit(49)
    assert chi_square(torch.bincount(envs).double(), torch.full((4,), 50_000.0)) < chi_square_limit(3)
    uniform_counts = torch.bincount(draw("uniform")[1], minlength=50).double()
    assert chi_square(uniform_counts, 200_000 * probability) > 100 * chi_square_limit(49)


def test_recency_weights_by_hand():
    """Three starts: ln 2, ln 3/2 and ln 4/3, over ln 4: one half, 0.2925 and 0.2075."""
    assert torch.allclose(expected_ages(3), torch.tensor([0.5, 0.29248, 0.20752]).double(), atol=1e-5)
    _, ages = draw("recency", num_starts=3)
    share = torch.bincount(ages) / len(ages)
    assert torch.allclose(share, torch.tensor([0.5, 0.29248, 0.20752]), atol=0.006)


def test_one_start():
    for sampling in ("uniform", "recency"):
        assert draw(sampling, num_starts=1)[1].eq(0).all()


def test_whole_numbers_are_large_and_their_own():
    numbers = whole_numbers(3, 1000)
    assert numbers.min() >= 0 and numbers.max() > 2**62 and len(numbers.unique()) == 1000
    assert torch.equal(numbers[:10], whole_numbers(3, 10))
    assert not torch.equal(numbers, whole_numbers(4, 1000))


def drawn_starts(replay, batches=5):
    return [replay.sample().rows["obs"][:, 0].tolist() for _ in range(batches)]


def test_batches_depend_on_seed_counter_and_rows_alone(tmp_path):
    replay = make_replay(tmp_path / "a", seed=3)
    other_seed = make_replay(tmp_path / "b", seed=4)
    disturbed = make_replay(tmp_path / "c", seed=3)
    for each in (replay, other_seed, disturbed):
        fill(each, 40)
    expected = drawn_starts(replay)
    torch.manual_seed(1)
    got = []
    for _ in range(5):
        torch.rand(3)
        disturbed.preview()  # a look changes nothing
        got += drawn_starts(disturbed, 1)
    assert got == expected and len({tuple(starts) for starts in expected}) == 5
    assert drawn_starts(other_seed) != expected
    assert replay.num_batches == 5
    replay.num_batches = 0
    assert drawn_starts(replay) == expected


def test_recency_prefers_new_rows_in_the_ring(tmp_path):
    replay = make_replay(tmp_path / "replay", make_layout(slots=200), sampling="recency", batch_size=64)
    fill(replay, 300)
    starts = torch.tensor(drawn_starts(replay, 50)) % 1000
    newest, oldest = replay.num_rows - 6, replay.ring.oldest
    num_starts = newest - oldest + 1
    assert starts.max() == newest and starts.min() >= oldest
    middle = newest - (math.sqrt(num_starts + 1) - 1)  # half of the draws are newer, whatever the age's scale
    assert abs((starts > middle).double().mean().item() - 0.5) < 5 * 0.5 / math.sqrt(starts.numel()) + 0.02


def test_the_newest_window_can_be_drawn(tmp_path):
    replay = make_replay(tmp_path / "replay", make_layout(slots=40), batch_size=32)
    fill(replay, 8)
    replay.extend(numbered_rows(8, 1), no_carries())
    assert {start % 1000 for starts in drawn_starts(replay, 20) for start in starts} == {0, 1, 2, 3}
