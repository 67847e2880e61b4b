"""Stored carries fall together with rollouts of any length."""

import pytest

from engram.agents.replay.settings import ReplayAgentSettings, ReplaySettings, rows_between_carries


@pytest.mark.parametrize(
    ("rollout_length", "rows"),
    [
        (1, 16),
        (2, 16),
        (3, 15),
        (5, 15),
        (7, 14),
        (11, 22),
        (16, 16),
        (17, 17),
        (34, 17),
        (52, 13),
        (102, 17),
        (128, 16),
        (65, 13),
        (62, 31),
    ],
)
def test_rows_between_carries_are_about_sixteen(rollout_length, rows):
    assert rows_between_carries(rollout_length) == rows


@pytest.mark.parametrize("rollout_length", range(1, 200))
def test_rows_between_carries_go_with_rollouts(rollout_length):
    rows = rows_between_carries(rollout_length)
    assert rows % rollout_length == 0 or rollout_length % rows == 0


def test_a_given_number_rules():
    given = ReplayAgentSettings(rollout_length=102, replay=ReplaySettings(store_carry_every=6))
    assert given.store_carry_every == 6
    assert ReplayAgentSettings(rollout_length=102).store_carry_every == 17
