"""Targets: literal numbers, plain loops, TorchRL's V-trace, and what no target may let through an episode's end."""

import math

import pytest
import torch
from torchrl.objectives.value.functional import vtrace_advantage_estimate

from engram.agents.returns import generalized_advantages, lambda_returns
from engram.agents.targets import n_step_returns, rescale, retrace_returns, unrescale, vtrace

GAMMA = 0.9
REWARD = torch.tensor([[0.0, 1, 0, 2, 0, -1, 3, 0]], dtype=torch.float64)
IS_LAST = torch.tensor([[0, 0, 0, 1, 0, 0, 1, 0]], dtype=torch.bool)
IS_TERMINAL = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 0]], dtype=torch.bool)
VALUE = torch.tensor([[0.5, 1, -0.5, 2, 0.25, 1.5, 77, 4]], dtype=torch.float64)
RATIO = torch.tensor([[2, 0.5, 1.5, 1, 2, 0.5, 1, 1]], dtype=torch.float64)
ACTED = [0, 1, 2, 4, 5]  # the actions of rows 3 and 6 are ignored


def traced(value=VALUE, reward=REWARD, is_last=IS_LAST, is_terminal=IS_TERMINAL, ratio=RATIO, **options):
    """V-trace of all rows but the last one."""
    return vtrace(
        value[:, :-1],
        reward[:, 1:],
        is_last[:, 1:],
        is_terminal[:, 1:],
        value[:, 1:],
        ratio[:, :-1],
        gamma=GAMMA,
        **options,
    )


@pytest.mark.parametrize(
    ("options", "value_target", "advantage"),
    [
        ({}, [2.989, 2.21, 3.8, 1.025, 2.25], [2.489, 1.21, 4.3, 0.775, 0.75]),
        ({"rho_bar": 2.0}, [5.25975, 3.1775, 5.95, 1.125, 2.25], [3.35975, 2.1775, 4.3, 0.775, 0.75]),
        (
            {"gae_lambda": 0.95},
            [2.85182875, 2.11325, 3.8, 0.99125, 2.25],
            [2.401925, 1.21, 4.3, 0.775, 0.75],
        ),
        (
            {"ratio": torch.ones_like(RATIO)},
            [4.078, 3.42, 3.8, 1.7, 3.0],
            [3.578, 2.42, 4.3, 1.45, 1.5],
        ),
    ],
)
def test_vtrace_by_hand(options, value_target, advantage):
    found = traced(**options)
    assert found.value_target[0, ACTED].tolist() == pytest.approx(value_target, abs=1e-12)
    assert found.advantage[0, ACTED].tolist() == pytest.approx(advantage, abs=1e-12)


def draw(seed, num_envs=5, length=40):
    """Random rows with truncations and terminations, and an ignored action at every end."""
    generator = torch.Generator().manual_seed(seed)
    is_last = torch.rand(num_envs, length, generator=generator) < 0.15
    is_last[:, 1:] &= ~is_last[:, :-1]
    is_terminal = is_last & (torch.rand(is_last.shape, generator=generator) < 0.5)
    value, reward = torch.randn(2, num_envs, length, generator=generator, dtype=torch.float64)
    ratio = torch.randn(num_envs, length, generator=generator, dtype=torch.float64).exp()
    return {"value": value, "reward": reward, "is_last": is_last, "is_terminal": is_terminal, "ratio": ratio}


def test_vtrace_on_policy_is_gae():
    rows = draw(0)
    found = traced(**rows | {"ratio": torch.ones_like(rows["ratio"])})
    expected = generalized_advantages(
        rows["value"][:, :-1],
        rows["reward"][:, 1:],
        rows["is_last"][:, 1:],
        rows["is_terminal"][:, 1:],
        rows["value"][:, 1:],
        gamma=GAMMA,
        gae_lambda=1.0,
    )
    acted = ~rows["is_last"][:, :-1]
    torch.testing.assert_close(found.advantage[acted], expected[acted])
    torch.testing.assert_close((found.value_target - rows["value"][:, :-1])[acted], expected[acted])


def test_vtrace_equals_torchrls():
    """On each episode's own transitions, since TorchRL has no rows without an action."""
    rows = draw(1)
    found = traced(**rows)
    acted = ~rows["is_last"][:, :-1]
    for b in range(len(acted)):
        at = acted[b].nonzero().flatten()
        ends, terminal = rows["is_last"][b, 1:][at], rows["is_terminal"][b, 1:][at]
        following = torch.where(terminal, 0.0, rows["value"][b, 1:][at])
        column = [
            part.view(1, -1, 1) for part in (rows["value"][b, :-1][at], following, rows["reward"][b, 1:][at])
        ]
        advantage, target = vtrace_advantage_estimate(
            GAMMA,
            rows["ratio"][b, :-1][at].log().view(1, -1, 1),
            torch.zeros(1, len(at), 1, dtype=torch.float64),
            *column,
            ends.view(1, -1, 1),
            terminal.view(1, -1, 1),
        )
        torch.testing.assert_close(found.advantage[b, at], advantage.flatten(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.value_target[b, at], target.flatten(), rtol=1e-5, atol=1e-6)


# The rows of R2D2's example: online and target values of two actions, and the actions taken.
ONLINE = torch.tensor(
    [[0.1, 0.4], [0.5, 0.2], [0.3, 0.7], [0.9, 0.6], [0, 0.8], [0.2, 0.1], [0.4, 0.3]], dtype=torch.float64
)
TARGET = torch.tensor(
    [[0, 0.3], [0.6, 0.1], [0.2, 0.5], [0.7, 0.8], [0.1, 0.6], [0.3, 0.2], [0.5, 0.1]], dtype=torch.float64
)
ACTION = torch.tensor([1, 0, 1, 0, 1, 0, 1])
CUT = IS_LAST[:, 1:7] & (torch.arange(6) == 2)  # row 3 alone is an end


def double_q_returns(is_terminal, **options):
    best = ONLINE.argmax(1)
    bootstrap = unrescale(TARGET.gather(1, best.unsqueeze(1)).view(1, -1))[:, 1:]
    return n_step_returns(
        REWARD[:, 1:7], CUT, is_terminal, bootstrap, gamma=GAMMA, **{"num_steps": 3} | options
    )


def test_n_step_returns_by_hand():
    found = double_q_returns(torch.zeros_like(CUT))[0, ACTED]
    expected = [3.993143897, 3.325715441, 3.695239379, 2.70947284, 4.121636488]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    scaled = [1.238527524, 1.083161152, 1.170545345, 0.928708652, 1.267224924]
    assert rescale(found).tolist() == pytest.approx(scaled, abs=1e-9)
    assert double_q_returns(CUT)[0, :3].tolist() == pytest.approx([2.62, 1.8, 2.0])


@pytest.mark.parametrize("num_steps", [1, 2, 5, 100])
def test_n_step_returns_equal_a_plain_loop(num_steps):
    rows = {key: part[:, 1:] for key, part in draw(2).items()}
    found = n_step_returns(
        rows["reward"], rows["is_last"], rows["is_terminal"], rows["value"], gamma=GAMMA, num_steps=num_steps
    )
    length = found.shape[1]
    for b in range(len(found)):
        for t in range(length):
            total, m = 0.0, 0
            while m < num_steps and t + m < length:
                total += GAMMA**m * float(rows["reward"][b, t + m])
                m += 1
                if rows["is_last"][b, t + m - 1]:
                    break
            if not rows["is_terminal"][b, t + m - 1]:
                total += GAMMA**m * float(rows["value"][b, t + m - 1])
            assert float(found[b, t]) == pytest.approx(total, abs=1e-12)


def test_rescaling_and_back():
    x = torch.tensor([10.0, -10.0, 1000.0], dtype=torch.float64)
    assert rescale(x).tolist() == pytest.approx([2.326624790, -2.326624790, 31.638584039], abs=1e-9)
    y = torch.tensor([1.0, 5.0, 30.0], dtype=torch.float64)
    assert unrescale(y).tolist() == pytest.approx([2.988056702, 34.586162256, 904.725544549], abs=1e-8)
    torch.testing.assert_close(unrescale(rescale(x)), x)
    small = torch.logspace(-4, 2, 50)
    torch.testing.assert_close(unrescale(small).double(), unrescale(small.double()), rtol=2e-6, atol=0)


def test_retrace_by_hand():
    chosen = ONLINE.gather(1, ACTION.unsqueeze(1)).view(1, -1)
    expected_value = TARGET.gather(1, ONLINE.argmax(1, keepdim=True)).view(1, -1)
    is_greedy = (ONLINE.argmax(1) == ACTION).view(1, -1)
    ratio = is_greedy / torch.tensor(0.9, dtype=torch.float64)
    found = retrace_returns(
        chosen[:, :-1],
        REWARD[:, 1:7],
        CUT,
        torch.zeros_like(CUT),
        expected_value[:, 1:],
        ratio[:, 1:],
        gamma=GAMMA,
        gae_lambda=0.95,
    )
    assert found[0, ACTED].tolist() == pytest.approx([2.90812825, 2.10015, 2.63, 2.04875, 3.45], abs=1e-9)


def test_peng_q_lambda_is_a_lambda_return():
    """PQN's targets: no trace behind an end, a truncated row bootstraps, the last row known too."""
    best = ONLINE.amax(1).view(1, -1)[:, 1:]
    expected = {
        0.0: [1.45, 0.63, 2.81, -0.82, 3.36],
        0.5: [1.935775, 1.5795, 2.81, 0.602, 3.36],
        1.0: [3.2761, 2.529, 2.81, 2.024, 3.36],
    }
    for gae_lambda, returns in expected.items():
        found = lambda_returns(REWARD[:, 1:7], torch.full_like(best, GAMMA), best, CUT, gae_lambda=gae_lambda)
        assert found[0, ACTED].tolist() == pytest.approx(returns, abs=1e-12)


def of_rows(name, rows):
    """A target of all rows but the last, from rows [B, T + 1]."""
    value, reward, is_last, is_terminal, ratio = (
        rows[key] for key in ("value", "reward", "is_last", "is_terminal", "ratio")
    )
    ends = reward[:, 1:], is_last[:, 1:], is_terminal[:, 1:]
    if name == "vtrace":
        return torch.stack(traced(**rows), dim=-1)
    if name == "n_step":
        return n_step_returns(*ends, value[:, 1:], gamma=GAMMA, num_steps=3)
    if name == "retrace":
        return retrace_returns(value[:, :-1], *ends, value[:, 1:], ratio[:, 1:], gamma=GAMMA, gae_lambda=0.95)
    discount = torch.where(is_terminal[:, 1:], 0.0, GAMMA)
    bootstrap = torch.where(is_terminal, 0.0, value)[:, 1:]
    return lambda_returns(reward[:, 1:], discount, bootstrap, is_last[:, 1:], gae_lambda=0.5)


STREAM = {"value": VALUE, "reward": REWARD, "is_last": IS_LAST, "is_terminal": IS_TERMINAL, "ratio": RATIO}
TARGETS = ["vtrace", "n_step", "retrace", "lambda"]


@pytest.mark.parametrize("name", TARGETS)
def test_the_value_of_a_terminal_row_does_not_matter(name):
    poisoned = STREAM | {"value": VALUE.where(VALUE != 77, math.nan)}
    assert torch.equal(of_rows(name, poisoned)[:, ACTED], of_rows(name, STREAM)[:, ACTED])


@pytest.mark.parametrize("name", TARGETS)
def test_rows_may_be_split_between_episodes(name):
    whole = of_rows(name, STREAM)
    for rows, acted in ((slice(0, 4), [0, 1, 2]), (slice(4, 7), [4, 5])):
        part = of_rows(name, {key: value[:, rows] for key, value in STREAM.items()})
        torch.testing.assert_close(
            part[:, [row - rows.start for row in acted]], whole[:, acted], rtol=0, atol=0
        )


@pytest.mark.parametrize("name", TARGETS)
def test_later_episodes_do_not_matter(name):
    changed = {key: value.clone() for key, value in STREAM.items()}
    for key in ("value", "reward", "ratio"):
        changed[key][:, 4:] += 3
    assert torch.equal(of_rows(name, changed)[:, :3], of_rows(name, STREAM)[:, :3])
