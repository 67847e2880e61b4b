"""Advantages: literal numbers, the per-episode computation and TorchRL's function as oracle."""

import pytest
import torch
from torchrl.objectives.value.functional import generalized_advantage_estimate

from engram.agents.returns import generalized_advantages, masked_mean, normalize

GAMMA, LAMBDA = 0.99, 0.95


def golden_rows(truncated: bool):
    """Rows 0–4 and the pending one of the golden vector: row 2 ends an episode, row 3 begins one."""
    value = torch.tensor([[0.5, 0.4, 0.7 if truncated else float("nan"), 0.3, 0.2, 0.1]])
    reward = torch.tensor([[0.0, 1.0, 0.0, 0.0, 2.0, 1.0]])
    is_last = torch.tensor([[False, False, True, False, False, False]])
    is_terminal = is_last & (not truncated)
    return value, reward, is_last, is_terminal


def advantages_of(value, reward, is_last, is_terminal):
    return generalized_advantages(
        value[:, :-1],
        reward[:, 1:],
        is_last[:, 1:],
        is_terminal[:, 1:],
        value[:, 1:],
        gamma=GAMMA,
        gae_lambda=LAMBDA,
    )


@pytest.mark.parametrize(
    ("truncated", "expected"),
    [(False, [0.5198, -0.4, 2.743510, 0.899]), (True, [1.1715665, 0.293, 2.743510, 0.899])],
)
def test_golden_rows(truncated, expected):
    advantages = advantages_of(*golden_rows(truncated))
    valid = advantages[0, [0, 1, 3, 4]]
    torch.testing.assert_close(valid, torch.tensor(expected), rtol=0, atol=1e-6)


def random_rows(num_envs, length, seed, truncation):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(num_envs, length + 1, generator=generator)
    is_last = draw < 0.15
    is_last[:, 1:] &= ~is_last[:, :-1]  # no episode of a single row: its row would be first and last
    is_terminal = is_last & (torch.rand(is_last.shape, generator=generator) < (0.5 if truncation else 1.1))
    is_first = torch.zeros_like(is_last)
    is_first[:, 1:] = is_last[:, :-1]
    value = torch.randn(is_last.shape, generator=generator, dtype=torch.float64)
    reward = torch.where(is_first, 0.0, torch.randn(is_last.shape, generator=generator, dtype=torch.float64))
    return value, reward, is_last, is_terminal


def episode_advantages(value, reward, bootstrap):
    """Textbook GAE of one episode: rewards r_1 … r_n follow values v_0 … v_{n-1}."""
    values = [*value, bootstrap]
    result, advantage = [], 0.0
    for t in reversed(range(len(value))):
        delta = reward[t] + GAMMA * values[t + 1] - values[t]
        advantage = delta + GAMMA * LAMBDA * advantage
        result.append(advantage)
    return result[::-1]


def test_equals_computation_per_episode():
    value, reward, is_last, is_terminal = random_rows(8, 120, seed=0, truncation=True)
    advantages = advantages_of(value, reward, is_last, is_terminal)
    assert (is_last & ~is_terminal).any() and is_terminal.any()
    for b in range(value.shape[0]):
        start = 0
        ends = [*torch.nonzero(is_last[b]).flatten().tolist(), value.shape[1] - 1]
        for end in ends:
            if end > start:  # rows start … end; the action of row `end` does not count
                bootstrap = 0.0 if is_terminal[b, end] else value[b, end]
                expected = episode_advantages(value[b, start:end], reward[b, start + 1 : end + 1], bootstrap)
                actual = advantages[b, start:end]
                torch.testing.assert_close(actual, torch.stack([torch.as_tensor(e) for e in expected]))
            start = end + 1


def test_equals_torchrl_with_truncation_and_termination_mixed():
    value, reward, is_last, is_terminal = random_rows(16, 200, seed=1, truncation=True)
    assert (is_last & ~is_terminal).any() and is_terminal.any()
    actual = advantages_of(value, reward, is_last, is_terminal)
    oracle, _ = generalized_advantage_estimate(
        GAMMA,
        LAMBDA,
        value[:, :-1, None],
        value[:, 1:, None],
        reward[:, 1:, None],
        is_last[:, 1:, None],
        is_terminal[:, 1:, None],
    )
    mask = ~is_last[:, :-1]
    # The oracle rounds its discounts to float32 whatever the dtype of the values.
    torch.testing.assert_close(actual[mask], oracle.squeeze(-1)[mask], rtol=0, atol=1e-5)


def test_nothing_of_a_terminal_value_is_used():
    value, reward, is_last, is_terminal = golden_rows(truncated=False)
    assert value[0, 2].isnan()
    advantages = advantages_of(value, reward, is_last, is_terminal)
    assert advantages[0, [0, 1, 3, 4]].isfinite().all()


def test_masked_mean_ignores_masked_rows_even_nan():
    x = torch.tensor([1.0, float("nan"), 3.0])
    mask = torch.tensor([True, False, True])
    assert masked_mean(x, mask) == 2.0
    assert masked_mean(x, torch.zeros(3, dtype=torch.bool)) == 0.0


def test_normalize_uses_valid_rows_only():
    x, mask = torch.tensor([1.0, 100.0, 3.0]), torch.tensor([True, False, True])
    torch.testing.assert_close(normalize(x, mask), torch.tensor([-1.0, 0.0, 1.0]))
