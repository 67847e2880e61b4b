"""The native cart-poles and pendulums against POPGym, from the same state and through whole episodes."""

import inspect
import math
from functools import partial

import gymnasium.spaces as gs
import numpy as np
import popgym.envs
import pytest
import torch
from contract import play
from native_checks import CHECKS, check_one_step_on_cuda

from engram.envs.popgym.cart_pole import NoisyPositionOnlyCartPole, PositionOnlyCartPole, VelocityOnlyCartPole
from engram.envs.popgym.pendulum import NoisyPositionOnlyPendulum, PositionOnlyPendulum

CART_POLES = [PositionOnlyCartPole, VelocityOnlyCartPole, NoisyPositionOnlyCartPole]
PENDULUMS = [PositionOnlyPendulum, NoisyPositionOnlyPendulum]
CLASSES = [*CART_POLES, *PENDULUMS]
LEVELS = ["easy", "medium", "hard"]


def package_class(native: type, level: str = "") -> type:
    module = inspect.getmodule(getattr(popgym.envs, native.__name__))
    return getattr(module, native.__name__ + level.capitalize())


def without_noise(env):
    if hasattr(env, "noise_sigma"):
        env.noise_sigma = 0.0 * env.noise_sigma
    return env


def choose(env, index: int, random: np.random.Generator):
    """Half of the cart-poles are balanced, so that they come to their limit; torques exceed the bounds."""
    if isinstance(env.action_space, gs.Box):
        return random.normal(0, 2, 1).astype(np.float32)
    if index % 2:
        return int(random.integers(2))
    x, x_dot, theta, theta_dot = env.state
    return int(0.05 * x + 0.1 * x_dot + theta + 0.3 * theta_dot + 0.05 * random.normal() > 0)


def in_torques(make: type) -> dict[str, str]:
    """Options with which actions are torques, as in the package, and not a policy's numbers."""
    return {"action": "clip"} if "Pendulum" in make.__name__ else {}


def check_episodes(native, package: list) -> tuple[int, int]:
    """Play an episode in each of the package's environments; return the steps and how often both flags rose."""
    native.reset(0)
    first = [env.reset(seed=seed)[0] for seed, env in enumerate(package)]
    task = native.state["task"]
    keys = ("x", "x_dot", "theta", "theta_dot") if "x" in task else ("theta", "speed")
    for key, value in zip(keys, np.stack([env.state for env in package], axis=1), strict=True):
        task[key].copy_(torch.from_numpy(value))
    shown = native.observe(dict(task.items()), native.state["time"])
    np.testing.assert_array_equal(shown.numpy(), np.stack(first))
    playing, random = set(range(len(package))), np.random.default_rng(0)
    steps = both = 0
    while playing:
        actions = [choose(env, index, random) for index, env in enumerate(package)]
        row = native.step(torch.as_tensor(np.array(actions)))
        for index in sorted(playing):
            obs, reward, terminated, truncated, _ = package[index].step(actions[index])
            assert not row["is_first"][index] and obs.dtype == np.float32
            assert row["is_terminal"][index] == terminated
            assert row["is_last"][index] == (terminated or truncated)
            assert row["reward"][index].item() == np.float32(reward)
            np.testing.assert_allclose(row["obs"][index].numpy(), obs, rtol=0, atol=1e-6)
            steps += 1
            both += terminated and truncated
            if terminated or truncated:
                playing.remove(index)
    return steps, both


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", CLASSES)
def test_whole_episodes_are_the_packages(make: type, level: str) -> None:
    # Together more than 40,000 steps.
    package = [without_noise(package_class(make, level)()) for _ in range(16)]
    native = make(16, **make.difficulties[level], **in_torques(make))
    assert native.max_episode_length == package[0].max_episode_length
    assert native.single_observation_space == package[0].observation_space
    assert native.single_action_space == package[0].action_space
    if hasattr(native, "noise_sigma"):
        assert (package_class(make, level)().noise_sigma == native.noise_sigma).all()
    steps, _ = check_episodes(without_noise(native), package)
    assert steps > 8 * native.max_episode_length


@pytest.mark.parametrize("make", CLASSES)
def test_defaults_are_the_packages(make: type) -> None:
    native, package = make(1), package_class(make)()
    assert native.max_episode_length == package.max_episode_length
    assert np.all(getattr(native, "noise_sigma", 0) == getattr(package, "noise_sigma", 0))


def test_an_episode_may_terminate_at_its_limit() -> None:
    package = [popgym.envs.PositionOnlyCartPole(max_episode_length=15) for _ in range(128)]
    _, both = check_episodes(PositionOnlyCartPole(128, max_episode_length=15), package)
    assert both > 0


def test_velocities_are_shown_from_the_beginning_where_asked_for() -> None:
    correct = VelocityOnlyCartPole(500, reset_shows_position=False)
    obs, task = correct.reset(0)["obs"], correct.state["task"]
    assert torch.equal(obs, torch.stack((task["x_dot"], task["theta_dot"]), 1).float())
    original = VelocityOnlyCartPole(500)
    assert torch.equal(original.reset(0)["obs"], torch.stack((task["x"], task["theta"]), 1).float())
    action = torch.arange(500) % 2
    assert torch.equal(correct.step(action)["obs"], original.step(action)["obs"])


@pytest.mark.parametrize(
    "make, bounds",
    [
        (PositionOnlyCartPole, {"x": 0.05, "x_dot": 0.05, "theta": 0.05, "theta_dot": 0.05}),
        (PositionOnlyPendulum, {"theta": math.pi, "speed": 1.0}),
    ],
)
def test_beginnings_are_uniform_and_independent(make: type, bounds: dict[str, float]) -> None:
    env = make(20_000)
    env.reset(0)
    draws = torch.stack([env.state["task", key] / bound for key, bound in bounds.items()])
    assert draws.dtype == torch.float64 and draws.min() >= -1 and draws.max() < 1
    counts = torch.stack([torch.histc(draw, 10, -1, 1) for draw in draws])
    assert ((counts - 2000) ** 2 / 2000).sum(1).max() < 34  # 9 degrees of freedom, p = 0.0001
    assert (torch.corrcoef(draws) - torch.eye(len(draws))).abs().max() < 0.03


@pytest.mark.parametrize("make", CLASSES)
def test_random_play_is_worth_what_it_is_in_the_package(make: type) -> None:
    native = make(400, **in_torques(make))
    rows, package = play(native, 1, 201), package_class(make)()
    # Every environment's first episode.
    alive = torch.stack([row["is_last"] for row in rows]).cumsum(0).roll(1, 0).clone()
    alive[0] = 0
    ours = (torch.stack([row["reward"] for row in rows]) * (alive == 0)).sum(0).numpy()
    package.action_space.seed(0)
    theirs, random = [], np.random.default_rng(0)
    for seed in range(200 if make in CART_POLES else 50):
        package.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            discrete = isinstance(package.action_space, gs.Discrete)
            action = int(random.integers(2)) if discrete else random.normal(0, 2, 1).astype(np.float32)
            _, reward, terminated, truncated, _ = package.step(action)
            total, over = total + reward, terminated or truncated
        theirs.append(total)
    error = math.sqrt(ours.var() / len(ours) + np.var(theirs) / len(theirs))
    assert abs(ours.mean() - np.mean(theirs)) < 4 * error


def test_actions_are_clipped_or_rescaled_and_kept_in_the_policys_units() -> None:
    clip, rescale = PositionOnlyPendulum(5, action="clip"), PositionOnlyPendulum(5)
    action = torch.tensor([[-3.0], [-0.5], [0.0], [0.75], [5.0]])
    clip.reset(0), rescale.reset(0)
    row, other = clip.step(action.clamp(-1, 1) * 2), rescale.step(action)
    assert torch.equal(row["obs"], other["obs"]) and torch.equal(row["reward"], other["reward"])
    assert torch.equal(other["prev_action"], action)
    clip.reset(0)
    row = clip.step(action * 2)
    assert torch.equal(row["obs"], other["obs"]) and torch.equal(row["prev_action"], action * 2)
    with pytest.raises(ValueError, match="must be one of auto, clip, rescale, but got 'squash'"):
        PositionOnlyPendulum(2, action="squash")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("make", CLASSES)
def test_what_holds_for_every_native_environment(make: type, check) -> None:
    check(partial(make, max_episode_length=9))


@pytest.mark.gpu
@pytest.mark.parametrize("make", CLASSES)
def test_one_step_on_cuda(make: type) -> None:
    check_one_step_on_cuda(partial(make, max_episode_length=20))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"max_episode_length of .* must be a whole number of at least 1, but got 0"
    ):
        PositionOnlyCartPole(2, max_episode_length=0)
    with pytest.raises(ValueError, match=r"noise_sigma of \w+ must be a number of at least 0, but got -0\.1"):
        NoisyPositionOnlyPendulum(2, noise_sigma=-0.1)
