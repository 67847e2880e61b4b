"""What ranks make of what each of them has: the numbers of all rows, and a share of the gradient."""

import copy

import pytest
import torch
from thread_ranks import together
from torch import Tensor

from engram.agents.diagnosis import read_metrics
from engram.agents.networks.normalizer import RunningNormalizer
from engram.agents.on_policy.losses import explained_variance
from engram.agents.returns import masked_mean, masked_means, normalize
from engram.common.ranks import ALONE

NAN = float("nan")
MASK = torch.tensor([True, True, True, True, False, True])


def halves(x: Tensor, ranks):
    return x[3 * ranks.rank : 3 * ranks.rank + 3]


def test_a_mean_is_over_all_rows_and_no_mean_of_means():
    """1 … 6 without the fifth: 3.2, where the means of the halves, 2 and 5, have the mean 3.5."""
    x = torch.tensor([1.0, 2, 3, 4, NAN, 6])
    assert masked_mean(x, MASK) == 3.2
    for mean in together(2, lambda ranks: masked_mean(halves(x, ranks), halves(MASK, ranks), ranks)):
        assert mean.item() == pytest.approx(3.2)


def test_the_gradient_of_a_mean_is_a_share():
    """All ranks' shares together are the gradient of the whole: 1/5 for each row that counts."""

    def share(ranks):
        x = torch.tensor([1.0, 2, 3, 4, NAN, 6], requires_grad=True)
        own, mask = halves(x, ranks), halves(MASK, ranks)
        terms = masked_means({"once": own, "twice": 2 * own}, mask, ranks)
        (terms["once"] + 0.5 * terms["twice"]).backward()
        ranks.add_gradients([x])
        return x.grad

    for grad in together(2, share):
        torch.testing.assert_close(grad, 2 * MASK / 5)


def test_advantages_have_the_moments_of_all_rows():
    """1 2 3 | 10 (99) 20; each half by itself would come to −1.2247, 0, 1.2247 and to −1, 1."""
    x = torch.tensor([1.0, 2, 3, 10, 99, 20])
    expected = torch.tensor([-0.868514312, -0.728431358, -0.588348405, 0.392232270, 0, 1.793061804])
    torch.testing.assert_close(normalize(x, MASK), expected)
    found = together(2, lambda ranks: normalize(halves(x, ranks), halves(MASK, ranks), ranks=ranks))
    torch.testing.assert_close(torch.cat(found), expected)


def test_moments_are_merged_and_not_of_squares():
    """Chan: {1, 2, 3} and {10, 20} are 5 numbers of mean 7.2, 254.8 in squares; far from 0 nothing is lost."""
    x = torch.tensor([1.0, 2, 3, 10, 99, 20]).unsqueeze(-1)
    for count, mean, squares in together(
        2, lambda ranks: ranks.moments(halves(x, ranks), halves(MASK, ranks))
    ):
        assert (count.item(), mean.item(), squares.item()) == (5, 7.2, pytest.approx(254.8))
    far = torch.tensor([1e4 + 1, 1e4 + 2, 1e4 + 3, 1e4 + 4]).reshape(2, 2, 1)
    every = torch.ones(2, dtype=torch.bool)
    for _, _, squares in together(2, lambda ranks: ranks.moments(far[ranks.rank], every)):
        assert squares.item() / 4 == 1.25


def test_a_rank_may_have_no_row_that_counts():
    x, mask = torch.tensor([1.0, 3, NAN, NAN]).reshape(2, 2), torch.tensor([[True, True], [False, False]])
    for mean in together(2, lambda ranks: masked_mean(x[ranks.rank], mask[ranks.rank], ranks)):
        assert mean.item() == 2
    found = together(2, lambda ranks: normalize(x[ranks.rank], mask[ranks.rank], ranks=ranks))
    torch.testing.assert_close(torch.cat(found), torch.tensor([-1.0, 1, 0, 0]))
    for mean in together(2, lambda ranks: masked_mean(x[1], mask[1], ranks)):
        assert mean.item() == 0


def test_a_normaliser_takes_in_the_vectors_of_all_ranks_once():
    batches = torch.randn(3, 2, 8, 2) * 5 + 100
    alone, ranked = RunningNormalizer(2), RunningNormalizer(2)

    def take(ranks):
        own = copy.deepcopy(ranked)
        own.ranks = ranks
        for batch in batches:
            own.update(batch[ranks.rank, : 5 + 3 * ranks.rank])
        return own

    for batch in batches:
        alone.update(torch.cat([batch[0, :5], batch[1]]))
    for own in together(2, take):
        assert copy.deepcopy(own).ranks is own.ranks
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(own.state_dict()[name], value, rtol=1e-12, atol=1e-12)


def test_explained_variance_is_that_of_all_rows():
    value, target = torch.randn(6), torch.randn(6)
    expected = explained_variance(value, target, MASK)

    def share(ranks):
        return explained_variance(halves(value, ranks), halves(target, ranks), halves(MASK, ranks), ranks)

    for found in together(2, share):
        torch.testing.assert_close(found, expected)


def test_all_ranks_stop_where_one_finds_a_bad_number():
    def read(ranks):
        rows = torch.tensor([NAN if ranks.rank == 1 else 1.0])
        with pytest.raises(FloatingPointError, match="but rows holds NaN"):
            read_metrics({"loss": torch.tensor(NAN)}, {"rows": rows}, ranks)
        return True

    assert together(3, read) == [True] * 3


def test_small_words():
    def say(ranks):
        assert ranks.is_leader == (ranks.rank == 0)
        assert ranks.share(ranks.rank) == 0
        assert ranks.collect(ranks.rank) == [0, 1, 2]
        assert ranks.total(ranks.rank + 1) == 6
        assert ranks.any(ranks.rank == 2)
        assert not ranks.any(False)
        assert ranks.largest(torch.tensor([ranks.rank, -ranks.rank])).tolist() == [2, 0]
        return ranks.part(8)

    assert together(3, say) == [slice(0, 3), slice(3, 6), slice(6, 8)]


def test_alone_there_is_nothing_to_tell():
    x = torch.randn(4, requires_grad=True)
    assert ALONE.gather_rows(x) is x
    assert ALONE.largest(x) is x
    assert ALONE.total(3) == 3
    assert ALONE.share("word") == "word"
    assert ALONE.collect("word") == ["word"]
    assert ALONE.part(7) == slice(0, 7)
    assert ALONE.speaks_first() and not ALONE.is_many and ALONE.is_leader
