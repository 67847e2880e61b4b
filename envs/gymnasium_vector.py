"""A Gymnasium vector environment that somebody has made, as rows."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import create_empty_array
from tensordict import TensorDict
from torch import Tensor

from engram.common.box_actions import BoxAction
from engram.common.random import hash_to_int
from engram.common.state_form import Whole
from engram.common.vector_env import check_seed, check_state
from engram.envs.gymnasium_rows import GymnasiumRows
from engram.envs.stored_rows import row_form


class GymnasiumVectorEnv(GymnasiumRows):
    """A copy of a Gymnasium vector environment whose single environments cannot be had.

    What it is like inside cannot be stored: a continued run begins all its episodes anew, and says so
    (`resume_is_exact`).

    Args:
        vector: with `autoreset_mode` NEXT_STEP; stays as it is.
        name: as in `VectorEnv`.
        action: for Box actions, as in `engram.envs.BoxActions`.
        device: of the rows.

    Raises:
        ValueError: if it begins episodes otherwise, or cannot be copied.
    """

    def __init__(
        self,
        vector: gymnasium.vector.VectorEnv[Any, Any, Any],
        name: str,
        action: BoxAction = "auto",
        device: torch.device | str = "cpu",
    ) -> None:
        mode = vector.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.NEXT_STEP.value):
            raise ValueError(
                f"A vector environment must begin an episode at the step after one has ended, but {name} has "
                f"autoreset_mode {mode}; make it with autoreset_mode=AutoresetMode.NEXT_STEP."
            )
        super().__init__(copied(vector, name), name, action, device)
        self._seed, self._num_begun = 0, 0

    def reset(self, seed: int) -> TensorDict:  # noqa: D102
        self._seed, self._num_begun = check_seed(seed), 0
        return self._begin()

    def _begin(self) -> TensorDict:
        """Begin episodes everywhere, others than those of the time before."""
        seed = hash_to_int(self._seed, "vector", 0, self._num_begun)
        self._num_begun += 1
        return self._first_row(*self._vector.reset(seed=seed % 2**31))

    def step(self, action: Tensor) -> TensorDict:  # noqa: D102
        # A copy, because an environment may write to what it is given.
        return self._next_row(self._vector.step(self._converted(action).copy()), action)

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        assert self._row is not None, "reset comes before state_dict"
        return {
            "name": self.name,
            "num_envs": self.num_envs,
            "seed": self._seed,
            "num_begun": self._num_begun,
            "row": self._row.clone().to_dict(),
        }

    def state_form(self) -> dict[str, Any]:  # noqa: D102
        obs = self._observe(create_empty_array(self.single_observation_space, self.num_envs, fn=np.zeros))
        row = row_form(obs, self.single_action_space, self.num_envs)
        known = {"name": self.name, "num_envs": self.num_envs}
        return {**known, "seed": Whole(), "num_begun": Whole(), "row": row}

    def load_state_dict(self, state: dict[str, Any]) -> TensorDict:  # noqa: D102
        check_state(state, name=self.name, num_envs=self.num_envs)
        self._seed, self._num_begun = state["seed"], state["num_begun"]
        self.resume_is_exact = False
        warnings.warn(
            f"The state of the vector environment {self.name} cannot be stored: all its episodes begin anew, and this "
            "resume is not exact.",
            stacklevel=2,
        )
        return self._begin()


def copied(env: Any, name: str) -> Any:
    """A copy of an environment that somebody has made, which stays as it is.

    Raises:
        ValueError: if it cannot be copied.
    """
    try:
        return copy.deepcopy(env)
    except Exception as error:
        raise ValueError(
            f"An environment that is given as an object is played in copies, but {name} cannot be copied "
            f"({' '.join(str(error).split())}); give a function that makes one."
        ) from error
