"""The noise of the native control tasks: its moments, its independence, and how often it is cut."""

import pytest
import torch
from contract import random_action

from engram.envs.popgym.cart_pole import NoisyPositionOnlyCartPole
from engram.envs.popgym.control import Noisy
from engram.envs.popgym.pendulum import NoisyPositionOnlyPendulum

LEVELS = ["easy", "medium", "hard"]
NOISY = [(NoisyPositionOnlyCartPole, (4.8, 0.41887903)), (NoisyPositionOnlyPendulum, (1.0, 1.0))]


def noisy_and_exact(env, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What is shown and what would be without noise, [steps, B, 2]."""
    generator = torch.Generator().manual_seed(0)
    noisy, exact, row = [], [], env.reset(0)
    for _ in range(steps):
        noisy.append(row["obs"])
        exact.append(super(Noisy, env).observe(dict(env.state["task"].items()), env.state["time"]))
        row = env.step(random_action(env, generator))
    return torch.stack(noisy), torch.stack(exact)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make, limits", NOISY)
def test_noise_is_cut_as_often_as_it_should_be(make: type, limits: tuple[float, float], level: str) -> None:
    env = make(20_000, **make.difficulties[level])
    noisy, exact = noisy_and_exact(env, 3)
    limit = torch.tensor(limits)
    assert (noisy.abs() <= limit).all()
    above, below = (exact - limit) / env.noise_sigma, (-exact - limit) / env.noise_sigma
    expected = (torch.special.ndtr(above) + torch.special.ndtr(below)).mean(1)
    assert ((noisy.abs() == limit).float().mean(1) - expected).abs().max() < 0.015


@pytest.mark.parametrize("make, limits", NOISY)
def test_noise_is_standard_and_independent(make: type, limits: tuple[float, float]) -> None:
    env = make(30_000, noise_sigma=0.01)  # hardly ever cut
    noisy, exact = noisy_and_exact(env, 3)
    inside = (exact.abs() + 0.06 < torch.tensor(limits)).all(2).all(0)
    noise = ((noisy - exact)[:, inside] / 0.01).double().movedim(1, 2).flatten(0, 1)
    assert noise.shape[1] > 10_000
    assert noise.mean(1).abs().max() < 0.04 and (noise.std(1) - 1).abs().max() < 0.03
    assert (torch.corrcoef(noise) - torch.eye(6)).abs().max() < 0.04
