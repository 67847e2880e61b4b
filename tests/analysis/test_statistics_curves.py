"""Curves measured at unequal places: where they have values, and which."""

import numpy as np
import pytest

from engram.analysis.statistics import Series, area, average_epochs, on_grid, stretches
from engram.analysis.statistics.curves import common_range


def series(x, y, solved=False):
    return Series(np.array(x, float), np.array(y, float), solved)


def test_a_curve_is_straight_between_measurements_and_nowhere_else():
    curve = series([10, 20, 40], [0, 1, 3])
    found = on_grid(curve, np.array([5.0, 10, 15, 30, 40, 41]))
    np.testing.assert_array_equal(found, [np.nan, 0, 0.5, 2, 3, np.nan])


def test_a_solved_run_keeps_its_last_value():
    found = on_grid(series([10, 20], [0, 1], solved=True), np.array([5.0, 20, 100]))
    np.testing.assert_array_equal(found, [np.nan, 1, 1])


def test_an_epoch_is_averaged_and_stands_at_its_last_measurement():
    x = [5, 10, 11, 30, 31, 45]
    found = average_epochs(series(x, [1, 3, 5, 7, 9, 11]), np.array(x), 10)
    assert found.x.tolist() == [10, 11, 30, 31, 45]
    assert found.y.tolist() == [2, 5, 7, 9, 11]


def test_epochs_are_told_by_steps_also_where_x_is_seconds():
    found = average_epochs(series([0.5, 1.5, 9.0], [1, 3, 5], solved=True), np.array([4, 10, 20]), 10)
    assert found.x.tolist() == [1.5, 9.0] and found.y.tolist() == [2, 5] and found.solved


def test_the_common_range_ends_with_the_first_run_that_was_not_solved():
    long, short, solved = series([1, 9], [0, 0]), series([2, 7], [0, 0]), series([3, 4], [0, 0], solved=True)
    assert common_range([long, short]) == (2, 7)
    assert common_range([long, solved]) == (3, 9)
    assert common_range([solved, series([1, 6], [0, 0], solved=True)]) == (3, 6)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 4, (0.25 + 0.75 + 2 + 1.5) / 4), (1, 3, (0.75 + 2) / 2), (0, 2, 0.5), (4, 4, 0.0)],
)
def test_the_area_is_the_mean_height(start, end, expected):
    curve = series([0, 1, 2, 3, 4], [0, 0.5, 1, 3, 0])
    assert area(curve, start, end) == pytest.approx(expected)


def test_the_area_between_measurements():
    curve = series([0, 10], [0, 1])
    assert area(curve, 2, 6) == pytest.approx(0.4)
    assert area(series([0, 10], [0, 1], solved=True), 0, 20) == pytest.approx((5 + 10) / 20)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(10, 1000), (10, 1000)], [(10, 1000, [0, 1])]),
        ([(0, 1000), (12, 990), (20, 985)], [(20, 985, [0, 1, 2])]),  # lengths that differ by 2 % are one
        ([(0, 1000), (0, 400), (0, 600)], [(0, 400, [0, 1, 2]), (400, 600, [0, 2]), (600, 1000, [0])]),
        ([(100, 1000), (500, 1000)], [(100, 500, [0]), (500, 1000, [0, 1])]),
        ([(0, 200), (500, 1000)], [(0, 200, [0]), (500, 1000, [1])]),
        ([(300, 300), (0, 1000)], [(0, 300, [1]), (300, 300, [0, 1]), (300, 1000, [1])]),
        ([(7, 7), (7, 7)], [(7, 7, [0, 1])]),
        ([(995, 1000), (0, 985)], [(0, 985, [1]), (995, 1000, [0])]),
    ],
)
def test_where_the_set_of_runs_changes(spans, expected):
    curves = [series(sorted({*span}), [0] * len({*span})) for span in spans]
    assert stretches(curves) == expected


def test_a_solved_curve_is_there_to_the_end_of_the_longest():
    assert stretches([series([0, 9], [0, 1], solved=True), series([0, 50], [0, 1])]) == [(0, 50, [0, 1])]
