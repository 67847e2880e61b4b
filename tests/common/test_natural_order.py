"""Names with numbers in them, in the order a reader expects."""

import pytest

from engram.common.natural_order import natural_order


@pytest.mark.parametrize(
    "names",
    [
        ["length=3", "length=10", "length=30", "length=100"],
        ["lr=1e-5", "lr=0.0003", "lr=1e-3", "lr=0.25", "lr=0.5"],
        ["gru", "gru 2 layers", "gru 10 layers", "lstm"],
        ["1", "1.0", "1e0", "01x"],
        ["", "3", "a", "a1", "b"],
    ],
)
def test_numbers_stand_by_size(names):
    assert sorted(reversed(names), key=natural_order) == names
