"""What a run says of environments that others step for it."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.vector_env import VectorEnv
from engram.training.building import build_env


class DescribedEnvs(VectorEnv):
    """Environments that actors step: what there is to say of them, and no rows.

    Args:
        env: one of them; it may be closed afterwards.
        num_envs: how many there are.
        sample: a first row of one, `[1]`.

    Attributes:
        sample: as given.
    """

    def __init__(self, env: VectorEnv, num_envs: int, sample: TensorDict) -> None:
        self.name, self.num_envs, self.sample = env.name, num_envs, sample
        self.single_observation_space = env.single_observation_space
        self.single_action_space = env.single_action_space
        self.device = torch.device("cpu")
        self.best_return, self.chance_return = env.best_return, env.chance_return
        self.box_action = env.box_action

    def reset(self, seed: int) -> TensorDict:
        """Do nothing; see `_elsewhere`."""
        self._elsewhere()

    def step(self, action: Tensor) -> TensorDict:
        """Do nothing; see `_elsewhere`."""
        self._elsewhere()

    def state_dict(self) -> dict[str, Any]:
        """Do nothing; see `_elsewhere`."""
        self._elsewhere()

    def load_state_dict(self, state: dict[str, Any]) -> TensorDict:
        """Do nothing; see `_elsewhere`."""
        self._elsewhere()

    def _elsewhere(self) -> NoReturn:
        raise RuntimeError(f"The environments of {self.name} are the actors' to step; ask these.")


def describe_envs(config: dict[str, Any]) -> DescribedEnvs:
    """Build one of a run's environments, look at it and close it.

    Args:
        config: of the run.

    Raises:
        ValueError: as of `build_env`.
    """
    env = build_env({**config, "device": "cpu"}, 1, first_index=0)
    try:
        return DescribedEnvs(env, config["num_envs"], env.reset(config["seed"]))
    finally:
        env.close()
