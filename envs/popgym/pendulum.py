"""POPGym's two pendulums: a pendulum to swing up of which only the angle is shown."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.box_actions import BoxAction, BoxActions
from engram.common.option_types import Count, Index, NotNegative
from engram.common.random import hash_prefix, purpose, uniform
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.popgym.control import Noisy

# The constants of Gymnasium's Pendulum-v1.
_GRAVITY = 10.0
_MASS = 1.0
_LENGTH = 1.0
_SECONDS = 0.05
_MAX_TORQUE = 2.0
_MAX_SPEED = 8.0
_HALF_COST = 16.2736044 / 2  # half of the greatest cost of one action
_START = purpose("start")


class PositionOnlyPendulum(NativeVectorEnv):
    """Swing a pendulum up and hold it there, seeing cosine and sine of its angle but not its speed.

    The dynamics are those of Gymnasium's Pendulum-v1 in float64, like the original's: the same actions from
    the same state give the same episode as POPGym 1.0.7. The angle begins uniform in [-pi, pi), 0 upright,
    the speed uniform in [-1, 1).

    An action is a torque in [-2, 2]. It is worth `(1 - cost / 8.1368022) / max_episode_length`, where the
    cost is `angle**2 + 0.1 * speed**2 + 0.001 * torque**2` before the action and lies in [0, 16.2736044].
    The episode is truncated after `max_episode_length` actions and never terminates; its return lies in
    [-1, 1].

    Args:
        num_envs: number of environments B.
        max_episode_length: actions until an episode is truncated (shorter where the task is harder).
        action: `auto` and `rescale` map a policy's [-1, 1] to the torques allowed, `clip` cuts actions to them.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"max_episode_length": 200},
        "medium": {"max_episode_length": 150},
        "hard": {"max_episode_length": 100},
    }

    def __init__(
        self,
        num_envs: Count,
        max_episode_length: Count = 200,
        action: BoxAction = "auto",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/position_only_pendulum"
        self.max_episode_length = self.max_episode_steps = max_episode_length
        self.single_observation_space = gs.Box(-1.0, 1.0, (2,), np.float32)
        self.single_action_space = gs.Box(-_MAX_TORQUE, _MAX_TORQUE, (1,), np.float32)
        self.box_action = action
        self._to_env = BoxActions(self.single_action_space, action).on(self.device)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = hash_prefix(seed, _START, env_index, episode)
        draws = uniform(torch.arange(2, device=key.device)[:, None], prefix=key)
        theta, speed = (draws.to(torch.float64) * 2.0 - 1.0).unbind()
        return {"theta": theta * math.pi, "speed": speed}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        theta, speed = task["theta"], task["speed"]
        # The order of operations is the original's, and the torque stays float32 until it is added, so that
        # all rounds alike.
        torque = action.squeeze(1)
        angle = (theta + math.pi) % (2 * math.pi) - math.pi
        cost = angle.square() + 0.1 * speed.square() + 0.001 * torque.square()
        swing = 3 * _GRAVITY / (2 * _LENGTH) * theta.sin()
        speed = speed + (swing + 3.0 / (_MASS * _LENGTH**2) * torque) * _SECONDS
        speed = speed.clamp(-_MAX_SPEED, _MAX_SPEED)
        reward = (_HALF_COST - cost) / _HALF_COST / self.max_episode_length
        truncated = time + 1 >= self.max_episode_length
        moved = {**task, "theta": theta + speed * _SECONDS, "speed": speed}
        return moved, reward.to(torch.float32), torch.zeros_like(truncated), truncated

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the speed."""
        speed = task["speed"].unsqueeze(1).to(torch.float32)
        return {"speed": Hidden(speed, rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return torch.stack((task["theta"].cos(), task["theta"].sin()), dim=1).to(torch.float32)


class NoisyPositionOnlyPendulum(Noisy, PositionOnlyPendulum):
    """Swing a pendulum up and hold it there, seeing cosine and sine of its angle through noise.

    Otherwise `PositionOnlyPendulum`. Normal noise is added to both numbers of every observation, the first
    too, and the sums are cut to [-1, 1].

    Args:
        num_envs: number of environments B.
        max_episode_length: actions until an episode is truncated.
        noise_sigma: standard deviation of the noise.
        action: `auto` and `rescale` map a policy's [-1, 1] to the torques allowed, `clip` cuts actions to them.
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
        action: BoxAction = "auto",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, max_episode_length, action, device, env_index_offset)
        self.name = "popgym/noisy_position_only_pendulum"
        self.set_noise(noise_sigma)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return cosine and sine of the angle without noise, and the speed."""
        angle = PositionOnlyPendulum.observe(self, task, time)
        return {"angle": Hidden(angle, rows_ago=torch.zeros_like(time)), **super().conceals(task, time)}
