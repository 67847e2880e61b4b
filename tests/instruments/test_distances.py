"""Curves over distance, by hand."""

import torch

from engram.instruments import by_distance, half_distance


def test_shares_by_distance():
    weights = torch.zeros(1, 5, 5)
    weights[0, :3, :3] = torch.tensor([[2.0, 0, 0], [1, 3, 0], [1, 0, 1]])
    weights[0, 3:, 3:] = torch.tensor([[0.0, 0], [6, 2]])  # row 3 has no weight at all
    is_first = torch.tensor([[True, False, False, True, False]])
    share, rows = by_distance(weights, is_first)
    assert rows.tolist() == [4, 3, 1, 0, 0]
    assert share[:3].tolist() == [(1 + 0.75 + 0.5 + 0.25) / 4, (0.25 + 0 + 0.75) / 3, 0.5]
    assert share[3:].isnan().all()
    share, rows = by_distance(weights, is_first, keep=torch.arange(5).unsqueeze(0) == 2)
    assert rows.tolist() == [1, 1, 1, 0, 0] and share[:3].tolist() == [0.5, 0, 0.5]


def test_half_of_the_past():
    assert half_distance(torch.tensor([9.0, 1, 1, 3, 1])) == 3
    assert half_distance(torch.tensor([9.0, 4, 2, 2, torch.nan])) == 1
    assert half_distance(torch.tensor([1.0, 0, 0])) == half_distance(torch.tensor([1.0])) == 0
