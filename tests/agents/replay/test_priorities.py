"""Draws by priorities: literal numbers, new and overwritten windows, and what the draws depend on."""

import dataclasses

import pytest
import torch
from row_streams import fill, make_layout, make_replay
from test_replay_draws import chi_square, chi_square_limit

from engram.agents.replay import DrawnWindows, priorities
from engram.agents.replay.priorities import LEAST_PRIORITY, Priorities, window_priorities
from engram.common.state_form import StateError, check_like

EXPONENTS = {"exponent": 0.9, "importance_exponent": 0.6}


def make_priorities(num_envs=2, window=6, every=2, slots=64):
    layout = make_layout(num_envs, slots, window, carry_every=every)
    return Priorities(layout, window, **EXPONENTS)


def four_windows():
    """One environment, a window at rows 0, 2, 4 and 6, with the example's priorities."""
    table = make_priorities(num_envs=1)
    table.extend(0, 12)
    table.set(torch.zeros(4, dtype=torch.int64), torch.arange(4) * 2, torch.tensor([1, 0.5, 0.25, 0.125]))
    return table


def test_probabilities_and_weights_by_hand():
    count = 100_000
    drawn = four_windows().draw(7, count)
    envs, starts, weights, largest = drawn.envs, drawn.starts, drawn.weights, drawn.largest_weight
    share = torch.tensor([0.505828569, 0.271066818, 0.145261111, 0.077843502], dtype=torch.float64)
    assert envs.eq(0).all()
    assert chi_square(torch.bincount(starts)[::2].double(), count * share) < chi_square_limit(3)
    for number, expected in enumerate((0.325335464, 0.473028823, 0.687770909, 1)):
        assert weights[starts == 2 * number].sub(expected).abs().max() < 1e-7
    assert largest == pytest.approx((4 * 0.077843502) ** -0.6)
    assert drawn.effective_share == pytest.approx(1 / (4 * share.square().sum().item()))


@pytest.mark.parametrize(("number", "start"), [(0, 0), (2**63 - 1, 6)])
def test_the_ends_of_the_draw_are_the_first_and_the_last_window(monkeypatch, number, start):
    """Behind the last one the table holds places without a window, which a rounded product must not reach."""
    monkeypatch.setattr(priorities, "whole_numbers", lambda key, count: torch.full((count,), number))
    assert four_windows().draw(0, 3).starts.tolist() == [start] * 3


def test_priorities_of_windows_by_hand():
    """The reference's example behind its burn-in: rows 1, 2, 4 and 5 count; then with row 3 terminal."""
    error = torch.tensor(
        [[0.583161152, 0.470545345, 9.0, 0.128708652, -1.067224924]] * 2, dtype=torch.float64
    )
    error[1, :2] = torch.tensor([-0.175120053, 0.034050808])
    mask = torch.tensor([[True, True, False, True, True]] * 2)
    found = window_priorities(error, mask, 0.9)
    assert found.tolist() == pytest.approx([1.016743433, 0.995630042], abs=1e-9)
    assert window_priorities(error, mask, 1.0)[0] == pytest.approx(1.067224924)
    assert window_priorities(error * torch.nan, mask & False, 0.9).tolist() == [0, 0]


def test_new_windows_have_the_highest_priority_there_is():
    table = make_priorities()
    table.extend(0, 8)  # two windows of each environment
    assert table.state_dict()["scaled"].tolist() == [[1, 1], [1, 1]]
    table.set(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 2, 2]), torch.tensor([0.5, 3.0, 2.0, 0.0]))
    table.extend(2, 10)  # the first windows, and with them the highest priority, are still to be seen
    scaled = table.state_dict()["scaled"]
    expected = torch.tensor([[0, 0], [2.0, LEAST_PRIORITY], [3, 3]], dtype=torch.float64) ** 0.9
    torch.testing.assert_close(scaled, expected)
    table.extend(6, 12)  # only those of before are left, and one is new
    assert table.state_dict()["scaled"][3].tolist() == pytest.approx([3**0.9] * 2)


def test_a_ring_that_goes_round_beside_a_plain_dictionary():
    """200 random rollouts, draws and late priorities: what is in the table, and that nothing else is drawn."""
    generator = torch.Generator().manual_seed(0)

    def random(*size, high):
        return torch.randint(high, size, generator=generator)

    table = make_priorities(num_envs=3, window=6, every=4, slots=48)
    capacity = make_layout(3, 48, 6, carry_every=4).capacity
    plain, num_rows, drawn = {}, 0, []
    for step in range(200):
        num_rows += int(random(1, high=5))
        oldest, highest = max(0, num_rows - capacity), max(plain.values(), default=1.0)
        starts = range(-(-oldest // 4) * 4, num_rows - 6 + 1, 4)
        places = [(env, start) for env in range(3) for start in starts]
        plain = {place: plain.get(place, highest) for place in places}
        table.extend(oldest, num_rows)
        scaled = table.state_dict()["scaled"]
        for (env, start), value in plain.items():
            assert scaled[start // 4 % 12, env].item() == pytest.approx(value**0.9)
        assert int((scaled > 0).sum()) == len(plain)
        if not plain:
            continue
        found = table.draw(step, 5)
        drawn.append((found.envs, found.starts))
        assert {(env, start) for env, start in zip(*map(torch.Tensor.tolist, drawn[-1]), strict=True)} <= {
            *plain
        }
        late, values = drawn[int(random(1, high=len(drawn)))], random(5, high=100) / 10
        table.set(*late, values)
        for env, start, value in zip(*map(torch.Tensor.tolist, (*late, values)), strict=True):
            if (env, start) in plain:
                plain[env, start] = max(value, LEAST_PRIORITY)
    assert oldest > 2 * capacity


def drawn(replay, batches=6):
    """Draw, and give priorities that follow from what was drawn."""
    found = []
    for _ in range(batches):
        windows = replay.sample().windows
        found += [windows.envs.tolist(), windows.starts.tolist(), windows.weights.tolist()]
        replay.set_priorities(windows, (windows.starts % 7 + windows.envs).float())
    return found


def prioritized(folder, create=True, **options):
    layout = dataclasses.replace(make_layout(carry_every=2, slots=40), carries=())
    return make_replay(folder / "replay", layout, create, sampling="prioritized", **options)


def test_batches_hold_the_windows_that_they_say(tmp_path):
    replay = prioritized(tmp_path)
    fill(replay, 90)
    batch = replay.sample()
    first = 1000 * batch.windows.envs + batch.windows.starts
    assert torch.equal(batch.rows["obs"], first[:, None] + torch.arange(6))
    assert batch.weights is batch.windows.weights and batch.weights.max() == 1


def test_a_restored_replay_draws_on_to_the_bit(tmp_path):
    replay = prioritized(tmp_path)
    fill(replay, 90)
    drawn(replay)
    state = replay.state_dict()
    check_like(replay.state_form("prioritized"), state)
    rolled_back = prioritized(tmp_path, create=False)
    expected = drawn(replay)
    rolled_back.load_state_dict(state)
    assert drawn(rolled_back) == expected
    other = prioritized(tmp_path / "b", seed=1)
    fill(other, 90)
    assert drawn(other) != expected


@pytest.mark.parametrize("edit", [lambda scaled: scaled[:-1], lambda scaled: scaled.clone().fill_(0)])
def test_priorities_of_other_windows_are_refused(tmp_path, edit):
    replay = prioritized(tmp_path)
    fill(replay, 30)
    state = replay.state_dict()
    state["priorities"]["scaled"] = edit(state["priorities"]["scaled"])
    with pytest.raises(StateError, match=r"expected those of windows \d+ to \d+ of 2 environments"):
        prioritized(tmp_path, create=False).load_state_dict(state)


def test_a_look_changes_no_draw(tmp_path):
    replay, other = prioritized(tmp_path / "a"), prioritized(tmp_path / "b")
    for one in (replay, other):
        fill(one, 60)
    other.preview()
    assert drawn(replay) == drawn(other)


def test_windows_of_later_are_not_touched_by_priorities_that_come_late(tmp_path):
    replay = prioritized(tmp_path)
    fill(replay, 30)
    early = replay.sample().windows
    fill(replay, 90)
    before = replay.state_dict()["priorities"]["scaled"]
    replay.set_priorities(early, torch.full((4,), 50.0))
    assert torch.equal(replay.state_dict()["priorities"]["scaled"], before)
    assert isinstance(early, DrawnWindows)
