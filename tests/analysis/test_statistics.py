"""Aggregates and bootstrap intervals: literal numbers, and equality with rliable on the same resamples."""

import numpy as np
import pytest

from engram.analysis.statistics import (
    aggregates,
    bootstrap,
    estimate,
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

NAN = np.nan
THRESHOLDS = np.linspace(-1.2, 1.2, 25)


def profile(scores, draws):
    return performance_profile(scores, draws, THRESHOLDS)


def draw_runs(runs, resamples, generator):
    """Runs drawn with replacement for every task [R, N, M]."""
    return bootstrap.stack([generator.integers(number, size=(resamples, number)) for number in runs])


def once(statistic, *samples):
    """A statistic of the scores themselves."""
    return statistic(*(part for scores in samples for part in (scores, aggregates.each_once(scores))))[0]


def some_scores(runs, tasks, seed=0):
    """Scores with ties and with values beyond the bounds."""
    return np.random.default_rng(seed).normal(size=(runs, tasks)).round(1)


# --- literal numbers


def test_aggregates_of_eight_scores():
    scores = np.array([[0.0, 0.5], [0.1, 0.6], [0.2, 0.7], [0.9, 1.4]])
    assert once(mean, scores) == pytest.approx((0.3 + 0.8) / 2)
    assert once(median, scores) == pytest.approx((0.3 + 0.8) / 2)
    # 0, 0.1 | 0.2, 0.5, 0.6, 0.7 | 0.9, 1.4
    assert once(interquartile_mean, scores) == pytest.approx(0.5)
    assert once(optimality_gap, scores) == pytest.approx(1 - (0.3 + (0.5 + 0.6 + 0.7 + 1.0) / 4) / 2)


def test_median_is_over_tasks():
    scores = np.array([[0.0, 1.0, 5.0], [0.2, 3.0, 7.0]])
    assert once(median, scores) == 2.0


def test_the_profile_counts_scores_strictly_above():
    scores = np.array([[0.0], [0.5], [1.0], [1.0]])
    draws = aggregates.each_once(scores)
    found = performance_profile(scores, draws, np.array([-1.0, 0.0, 0.5, 0.9, 1.0]))
    assert found[0].tolist() == [1.0, 0.75, 0.5, 0.5, 0.0]


def test_probability_of_improvement_counts_a_tie_half():
    scores, others = np.array([[1.0], [2.0]]), np.array([[0.0], [2.0], [3.0]])
    # 1 beats 0; 2 beats 0 and ties with 2.
    assert once(probability_of_improvement, scores, others) == pytest.approx(2.5 / 6)
    assert once(probability_of_improvement, others, scores) == pytest.approx(3.5 / 6)
    assert once(probability_of_improvement, scores, scores) == 0.5


def test_tasks_with_unequal_numbers_of_runs():
    scores = np.array([[1.0, 0.0], [3.0, 0.2], [NAN, 0.4], [NAN, 0.6]])
    assert once(mean, scores) == pytest.approx((2.0 + 0.3) / 2)
    assert once(interquartile_mean, scores) == pytest.approx((0.2 + 0.4 + 0.6 + 1.0) / 4)
    assert once(performance_profile_at_half, scores) == pytest.approx((1 + 0.25) / 2)
    draws = draw_runs(np.array([2, 4]), 500, np.random.default_rng(0))
    for statistic in (mean, median, interquartile_mean, optimality_gap):
        assert np.isfinite(statistic(scores, draws)).all()
    means = aggregates.task_means(scores, draws)
    assert set(np.unique(means[:, 0])) == {1.0, 2.0, 3.0}
    curves = aggregates.task_means(np.stack([scores, 2 * scores], axis=2), draws)
    np.testing.assert_allclose(curves, np.stack([means, 2 * means], axis=2), atol=1e-12)


def performance_profile_at_half(scores, draws):
    return performance_profile(scores, draws, np.array([0.5]))[:, 0]


# --- the bootstrap


def test_every_task_draws_as_many_of_its_own_runs_as_it_has():
    scores, seen = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [NAN, 3.0]]), []

    def watch(scores, draws):
        seen.append(draws)
        return mean(scores, draws)

    estimate(watch, scores, resamples=20_000)
    draws = np.concatenate([draws for draws in seen if len(draws) > 1])
    assert draws.shape == (20_000, 4, 2) and draws[:, :3, 0].max() == 2 and draws[..., 1].max() == 3
    assert (draws[:, 3, 0] == 3).all(), "a run that is missing"
    for task, number in ((0, 3), (1, 4)):
        share = np.bincount(draws[:, :number, task].ravel()) / draws[:, :number, task].size
        np.testing.assert_allclose(share, 1 / number, atol=0.01)


def test_the_mean_of_one_task_has_the_textbook_error():
    scores = some_scores(30, 1)
    found = estimate(mean, scores, resamples=40_000)
    error = scores.std() / np.sqrt(30)
    assert found.value == pytest.approx(scores.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_a_single_run_has_no_interval():
    found = estimate(mean, np.array([[0.3, 0.5]]))
    assert found.value == pytest.approx(0.4) and found.low is None and found.high is None


def test_batches_change_nothing_but_the_seed_does(monkeypatch):
    scores = some_scores(5, 3)
    whole = estimate(interquartile_mean, scores, resamples=2000, seed=4)
    assert estimate(interquartile_mean, scores, resamples=2000, seed=4) == whole
    other = estimate(interquartile_mean, scores, resamples=2000, seed=5)
    assert (other.low, other.high) != (whole.low, whole.high)
    monkeypatch.setattr(bootstrap, "_BATCH_DRAWS", 5 * 3 * 64)
    batched = estimate(interquartile_mean, scores, resamples=2000, seed=4)
    assert abs(batched.low - whole.low) < 0.06 and abs(batched.high - whole.high) < 0.06


@pytest.mark.parametrize("statistic", [mean, median, interquartile_mean, optimality_gap])
def test_the_points_of_a_curve_are_drawn_together(statistic):
    curves = np.stack([some_scores(5, 4, seed) for seed in range(3)], axis=2)
    draws = draw_runs(np.full(4, 5), 100, np.random.default_rng(0))
    found = statistic(curves, draws)
    assert found.shape == (100, 3)
    for point in range(3):
        np.testing.assert_allclose(found[:, point], statistic(curves[..., point], draws), atol=1e-12)


# --- rliable, the oracle

PEERS = {
    mean: "aggregate_mean",
    median: "aggregate_median",
    interquartile_mean: "aggregate_iqm",
    optimality_gap: "aggregate_optimality_gap",
}


@pytest.fixture(scope="module")
def rliable():
    """Its two modules, with bootstraps that take draws from us."""
    library = pytest.importorskip("rliable.library", exc_type=ImportError)
    metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)

    class Shared(library.StratifiedBootstrap):
        def __init__(self, scores, draws):
            super().__init__(scores)
            self._given = iter(draws)

        def update_indices(self):
            return (next(self._given), *self._strata_indices)

    class SharedPair(library.StratifiedIndependentBootstrap):
        def __init__(self, samples, draws):
            super().__init__(*samples)
            self._given = zip(*draws, strict=True)

        def update_indices(self):
            pairs = zip(next(self._given), self._args_strata_indices, strict=True)
            return [(drawn, *strata) for drawn, strata in pairs], {}

    return library, metrics, Shared, SharedPair


@pytest.mark.parametrize("shape", [(5, 1), (5, 4), (10, 7), (3, 2)], ids=str)
@pytest.mark.parametrize("statistic", PEERS, ids=lambda statistic: statistic.__name__)
def test_aggregates_equal_rliable_on_every_shared_resample(rliable, statistic, shape):
    _, metrics, Shared, _ = rliable
    scores, runs = some_scores(*shape), np.full(shape[1], shape[0])
    draws = draw_runs(runs, 300, np.random.default_rng(1))

    def theirs(values):
        return np.array([getattr(metrics, PEERS[statistic])(values)])

    assert once(statistic, scores) == pytest.approx(theirs(scores)[0], abs=1e-12)
    expected = Shared(scores, draws).apply(theirs, reps=300)[:, 0]
    np.testing.assert_allclose(statistic(scores, draws), expected, rtol=0, atol=1e-12)


def test_intervals_equal_rliable_with_shared_draws(rliable):
    _, metrics, Shared, _ = rliable
    scores, seen = some_scores(6, 5), []

    def watch(scores, draws):
        seen.append(draws)
        return interquartile_mean(scores, draws)

    found = estimate(watch, scores, resamples=400)
    draws = np.concatenate([draws for draws in seen if len(draws) > 1])
    low, high = Shared(scores, draws).conf_int(
        lambda values: np.array([metrics.aggregate_iqm(values)]), reps=400, size=0.95, method="percentile"
    )
    assert (found.low, found.high) == pytest.approx((low[0], high[0]), abs=1e-12)


def test_profiles_equal_rliable(rliable):
    library, _, Shared, _ = rliable
    scores = some_scores(5, 4)
    draws = draw_runs(np.full(4, 5), 100, np.random.default_rng(3))

    def theirs(values):
        return library.score_distributions(values, THRESHOLDS)

    np.testing.assert_allclose(once(profile, scores), theirs(scores), rtol=0, atol=1e-12)
    expected = Shared(scores, draws).apply(theirs, reps=100)
    np.testing.assert_allclose(profile(scores, draws), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shapes", [((5, 3), (5, 3)), ((4, 2), (7, 2)), ((5, 1), (3, 1))], ids=str)
def test_probability_of_improvement_equals_rliable(rliable, shapes):
    _, metrics, _, SharedPair = rliable
    samples = [some_scores(*shape, seed) for seed, shape in enumerate(shapes)]
    generator = np.random.default_rng(4)
    draws = [draw_runs(np.full(shape[1], shape[0]), 100, generator) for shape in shapes]

    def theirs(*values):
        return np.array([metrics.probability_of_improvement(*values)])

    expected = SharedPair(samples, draws).apply(theirs, reps=100)[:, 0]
    found = probability_of_improvement(samples[0], draws[0], samples[1], draws[1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert once(probability_of_improvement, *samples) == pytest.approx(theirs(*samples)[0], abs=1e-12)


@pytest.mark.parametrize("statistic", PEERS, ids=lambda statistic: statistic.__name__)
def test_intervals_equal_rliable_within_monte_carlo_error(rliable, statistic):
    library, metrics, _, _ = rliable
    scores = some_scores(8, 4)
    np.random.seed(0)  # rliable draws from NumPy's global generator
    _, intervals = library.get_interval_estimates(
        {"x": scores}, lambda values: np.array([getattr(metrics, PEERS[statistic])(values)]), reps=4000
    )
    found = estimate(statistic, scores, resamples=40_000)
    width = found.high - found.low
    np.testing.assert_allclose(intervals["x"][:, 0], [found.low, found.high], rtol=0, atol=0.05 * width)
