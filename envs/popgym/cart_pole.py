"""POPGym's three cart-poles: a pole on a cart of which one half of the state is shown."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, NotNegative
from engram.common.random import hash_prefix, purpose, uniform
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.control import Noisy

# The constants of Gymnasium's CartPole-v1, and its units: metres, kilograms, seconds, radians.
_GRAVITY = 9.8
_POLE_MASS = 0.1
_TOTAL_MASS = 1.0 + _POLE_MASS
_LENGTH = 0.5  # half of the pole's
_POLE_MASS_LENGTH = _POLE_MASS * _LENGTH
_FORCE = 10.0
_SECONDS = 0.02
_MAX_POSITION = 2.4
_MAX_ANGLE = 12 * 2 * math.pi / 360
_LIMITS = (2 * _MAX_POSITION, 2 * _MAX_ANGLE)  # of what is shown
_STATE = ("x", "x_dot", "theta", "theta_dot")
_START = purpose("start")


class PositionOnlyCartPole(NativeVectorEnv):
    """Balance a pole on a cart, seeing position and angle but no velocity.

    The dynamics are those of Gymnasium's CartPole-v1 (explicit Euler steps of 0.02 s, action 1 pushes to the
    right and 0 to the left) in float64, like the original's: the same actions from the same state give the
    same episode as POPGym 1.0.7. The four numbers of the state begin uniform in [-0.05, 0.05).

    Every action is worth `1 / max_episode_length`, the last too. The episode terminates where the cart is
    more than 2.4 from the middle or the pole more than 12 degrees from upright, and is truncated after
    `max_episode_length` actions; both can be true at once. The best return is 1.

    Args:
        num_envs: number of environments B.
        max_episode_length: actions until an episode is truncated.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"max_episode_length": 200},
        "medium": {"max_episode_length": 400},
        "hard": {"max_episode_length": 600},
    }

    def __init__(
        self,
        num_envs: Count,
        max_episode_length: Count = 200,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/position_only_cart_pole"
        self.max_episode_length = self.max_episode_steps = max_episode_length
        limit = np.array(_LIMITS, dtype=np.float32)
        self.single_observation_space = gs.Box(-limit, limit)
        self.single_action_space = gs.Discrete(2)
        self.best_return = 1.0

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = hash_prefix(seed, _START, env_index, episode)
        draws = uniform(torch.arange(4, device=key.device)[:, None], prefix=key)
        return dict(zip(_STATE, (draws.to(torch.float64) * 0.1 - 0.05).unbind(), strict=True))

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        x, x_dot, theta, theta_dot = (task[key] for key in _STATE)
        # The order of operations is the original's, so that float64 rounds alike.
        force = torch.where(action == 1, _FORCE, -_FORCE)
        sine, cosine = theta.sin(), theta.cos()
        push = (force + _POLE_MASS_LENGTH * theta_dot.square() * sine) / _TOTAL_MASS
        theta_acc = (_GRAVITY * sine - cosine * push) / (
            _LENGTH * (4.0 / 3.0 - _POLE_MASS * cosine.square() / _TOTAL_MASS)
        )
        x_acc = push - _POLE_MASS_LENGTH * theta_acc * cosine / _TOTAL_MASS
        moved = {
            **task,
            "x": x + _SECONDS * x_dot,
            "x_dot": x_dot + _SECONDS * x_acc,
            "theta": theta + _SECONDS * theta_dot,
            "theta_dot": theta_dot + _SECONDS * theta_acc,
        }
        terminated = (moved["x"].abs() > _MAX_POSITION) | (moved["theta"].abs() > _MAX_ANGLE)
        reward = torch.full_like(x, 1.0 / self.max_episode_length, dtype=torch.float32)
        return moved, reward, terminated, time + 1 >= self.max_episode_length

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the two velocities."""
        return {"velocity": _hidden(task, time, "x_dot", "theta_dot")}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return torch.stack((task["x"], task["theta"]), dim=1).to(torch.float32)


class VelocityOnlyCartPole(PositionOnlyCartPole):
    """Balance a pole on a cart, seeing the two velocities but neither position nor angle.

    Otherwise `PositionOnlyCartPole`. POPGym shows position and angle in the first observation of an episode,
    an error in the original that is kept by default, since results there were measured with it.

    Args:
        num_envs: number of environments B.
        max_episode_length: actions until an episode is truncated.
        reset_shows_position: show position and angle first, as POPGym does; False shows the velocities.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        max_episode_length: Count = 200,
        reset_shows_position: bool = True,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, max_episode_length, device, env_index_offset)
        self.name = "popgym/velocity_only_cart_pole"
        self.reset_shows_position = reset_shows_position
        self.single_observation_space = gs.Box(-np.inf, np.inf, (2,), np.float32)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return position and angle."""
        return {"position": _hidden(task, time, "x", "theta")}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        x_dot, theta_dot = task["x_dot"], task["theta_dot"]
        if self.reset_shows_position:
            first = time == 0
            x_dot = torch.where(first, task["x"], x_dot)
            theta_dot = torch.where(first, task["theta"], theta_dot)
        return torch.stack((x_dot, theta_dot), dim=1).to(torch.float32)


class NoisyPositionOnlyCartPole(Noisy, PositionOnlyCartPole):
    """Balance a pole on a cart, seeing position and angle through noise and no velocity.

    Otherwise `PositionOnlyCartPole`. Normal noise is added to both numbers of every observation, the first
    too; the sums are cut to the bounds of the observation space (at sigma 0.3, one angle in six is).

    Args:
        num_envs: number of environments B.
        max_episode_length: actions until an episode is truncated.
        noise_sigma: standard deviation of the noise, in metres and in radians.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"noise_sigma": 0.1},
        "medium": {"noise_sigma": 0.2},
        "hard": {"noise_sigma": 0.3},
    }

    def __init__(
        self,
        num_envs: Count,
        max_episode_length: Count = 200,
        noise_sigma: NotNegative = 0.1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, max_episode_length, device, env_index_offset)
        self.name = "popgym/noisy_position_only_cart_pole"
        self.set_noise(noise_sigma)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return position and angle without noise, and the two velocities."""
        return {"position": _hidden(task, time, "x", "theta"), **super().conceals(task, time)}


def _hidden(task: dict[str, Tensor], time: Tensor, *keys: str) -> Hidden:
    """Numbers of the state, which no row shows."""
    numbers = torch.stack([task[key] for key in keys], dim=1).to(torch.float32)
    return Hidden(numbers, rows_ago=torch.zeros_like(time))
