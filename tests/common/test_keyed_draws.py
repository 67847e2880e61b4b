"""The counter-based hash: literal values, statistics, independence of batch shape."""

import zlib

import pytest
import torch

from engram.common.random import hash_integers, hash_prefix, normal, randint, uniform

GOLDEN = [
    ((0,), 3793791033),
    ((1,), 3839455607),
    ((0, 0), 2802244911),
    ((1, 2, 3), 3938253356),
    ((-1,), 3725219404),
    ((2**63 - 1, 5), 263666085),
    (("action",), 3962882015),
    (("episode", 7, 3), 1496426350),
    ((12345, "cue", 0, 0), 1972888730),
    ((12345, "cue", 63, 1000), 3265032328),
]


@pytest.mark.parametrize("parts, expected", GOLDEN)
def test_literal_values(parts: tuple, expected: int) -> None:
    assert hash_integers(*parts).item() == expected
    tensors = [torch.tensor(part) if isinstance(part, int) else part for part in parts]
    assert hash_integers(*tensors).item() == expected


@pytest.mark.gpu
@pytest.mark.parametrize("parts, expected", GOLDEN)
def test_literal_values_on_cuda(parts: tuple, expected: int) -> None:
    tensors = [torch.tensor(part, device="cuda") if isinstance(part, int) else part for part in parts]
    assert hash_integers(*tensors).item() == expected


@pytest.mark.gpu
def test_every_kind_is_the_same_on_cuda() -> None:
    index = torch.arange(-3, 1000)
    for draw in (
        lambda index: hash_prefix(5, "deal", index, 2**40, -7),
        lambda index: hash_integers(index[:9, None], 3, index, prefix=hash_prefix(index[:9, None])),
        lambda index: uniform(index[::2].expand(3, 2, -1), 16),
        lambda index: randint(index.abs() + 1, 1, prefix=index),
    ):
        assert torch.equal(draw(index.cuda()).cpu(), draw(index))


def test_a_string_is_its_crc32() -> None:
    assert hash_integers("cue", 3) == hash_integers(zlib.crc32(b"cue"), 3)


def test_parts_broadcast_and_do_not_depend_on_the_batch() -> None:
    rows, columns = torch.arange(5)[:, None], torch.arange(7)
    table = hash_integers(3, "x", rows, columns)
    assert table.shape == (5, 7) and table.dtype == torch.int64
    assert table[4, 6] == hash_integers(3, "x", 4, 6)
    assert table.flatten().unique().numel() == 35


def test_order_and_number_of_parts_matter() -> None:
    draws = [hash_integers(*parts).item() for parts in [(1, 2), (2, 1), (1, 2, 0), (0, 1, 2), (1,), (2,)]]
    assert len(set(draws)) == len(draws)


def test_every_bit_is_fair_and_flips_with_every_input_bit() -> None:
    counters = torch.arange(20_000)
    bits = (hash_integers(7, counters)[:, None] >> torch.arange(32)) & 1
    assert (bits.float().mean(0) - 0.5).abs().max() < 0.02
    for bit in (0, 1, 13, 31, 40, 63):
        flipped = hash_integers(7, counters ^ (1 << bit if bit < 63 else -(1 << 63)))
        change = ((flipped ^ hash_integers(7, counters))[:, None] >> torch.arange(32)) & 1
        assert (change.float().mean(0) - 0.5).abs().max() < 0.02


def test_a_prefix_stands_for_the_parts_before() -> None:
    index = torch.arange(-3, 500)
    prefix = hash_prefix(5, "deal", index)
    before = prefix.clone()
    for parts in ((), (7,), (index, 2)):
        assert torch.equal(hash_integers(*parts, prefix=prefix), hash_integers(5, "deal", index, *parts))
    assert torch.equal(randint(9, 1, prefix=prefix), randint(9, 5, "deal", index, 1))
    assert torch.equal(uniform(1, prefix=prefix), uniform(5, "deal", index, 1))
    assert torch.equal(prefix, before)


def test_uniform_moments_and_range() -> None:
    draws = uniform("u", torch.arange(200_000))
    assert draws.dtype == torch.float32 and draws.min() >= 0 and draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.003 and abs(draws.var() - 1 / 12) < 0.002
    lagged = torch.corrcoef(torch.stack([draws[:-1], draws[1:]]))[0, 1]
    assert abs(lagged) < 0.01


def test_randint_is_uniform_by_chi_square() -> None:
    draws = randint(10, "d", torch.arange(100_000))
    counts = torch.bincount(draws, minlength=10)
    assert counts.numel() == 10
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 28  # 9 degrees of freedom, p = 0.001
    highs = torch.tensor([1, 2, 1000])
    assert (randint(highs, "d", torch.arange(300)[:, None]) < highs).all()


def test_streams_of_neighbouring_seeds_are_unrelated() -> None:
    counters = torch.arange(50_000)
    first, second = uniform(0, counters), uniform(1, counters)
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.015
    assert not torch.isin(hash_integers(0, counters)[:100], hash_integers(1, counters)[:100]).any()


def test_a_key_is_the_whole_hash() -> None:
    counters = torch.arange(1000)
    key = hash_prefix(3, "x", counters)
    assert key.dtype == torch.int64 and key.unique().numel() == 1000 and (key < 0).any()
    assert torch.equal((key >> 32) & 0xFFFFFFFF, hash_integers(3, "x", counters))
    assert uniform(0, prefix=key).shape == (1000,)


def test_normal_literal_values() -> None:
    # From Python's integers and its math module.
    expected = [[0.4450217, -0.2817763], [0.4965236, 0.7007189], [-0.1575266, -1.5234419]]
    torch.testing.assert_close(
        normal(5, "noise", torch.arange(3)), torch.tensor(expected), rtol=1e-6, atol=1e-6
    )


@pytest.mark.gpu
def test_normal_is_the_same_on_cuda() -> None:
    counters = torch.arange(100_000)
    torch.testing.assert_close(normal(1, counters.cuda()).cpu(), normal(1, counters), rtol=1e-6, atol=1e-6)


def test_normal_moments_and_tails() -> None:
    draws = normal("n", torch.arange(400_000))
    assert draws.dtype == torch.float32 and draws.shape == (400_000, 2) and draws.isfinite().all()
    draws = draws.double()
    assert draws.mean(0).abs().max() < 0.006 and (draws.var(0) - 1).abs().max() < 0.01
    assert (draws**3).mean(0).abs().max() < 0.02 and ((draws**4).mean(0) - 3).abs().max() < 0.06
    for bound in (0.5, 1.0, 2.0, 3.0, 4.0):
        tail = 2 * torch.special.ndtr(torch.tensor(-bound, dtype=torch.float64))
        share = (draws.abs() > bound).double().mean(0)
        assert ((share - tail).abs() < 4 * (tail / 400_000).sqrt()).all()
    pairs = torch.stack([draws[:-1, 0], draws[:-1, 1], draws[1:, 0], draws[:-1, 0] ** 2, draws[:-1, 1] ** 2])
    assert (torch.corrcoef(pairs) - torch.eye(5)).abs().max() < 0.008
