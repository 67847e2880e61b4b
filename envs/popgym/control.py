"""What the noisy cart-poles and pendulums share: observations through noise."""

from __future__ import annotations

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.random import hash_prefix, normal, purpose
from engram.envs.native import NativeVectorEnv

_NOISE = purpose("noise")


class Noisy(NativeVectorEnv):
    """Adds normal noise to the observations of the task that it is derived from, and cuts them to their bounds.

    Within a trial the task begins alike, with other noise.

    Attributes:
        noise_sigma: standard deviation of the noise.
    """

    noise_sigma: float

    def set_noise(self, noise_sigma: float) -> None:
        """Set the noise, once the task is made.

        Args:
            noise_sigma: at least 0.
        """
        self.noise_sigma = noise_sigma
        space = self.single_observation_space
        assert isinstance(space, gs.Box)
        self._bounds = [torch.as_tensor(bound, device=self.device) for bound in (space.low, space.high)]

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        noise_key = hash_prefix(seed, _NOISE, env_index, episode)
        own = super().begin(seed, env_index, episode)  # type: ignore[safe-super]
        return {**own, "noise_key": noise_key}

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        own = self.begin(seed, env_index, trial)
        key = own["noise_key"]
        return {**own, "noise_key": torch.where(number == 0, key, hash_prefix(key, number))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        own = super().observe(task, time)  # type: ignore[safe-super]
        noisy = own + self.noise_sigma * normal(time, prefix=task["noise_key"])
        return noisy.clamp(*self._bounds)
