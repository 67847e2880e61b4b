"""What a Gymnasium vector environment returns, as rows."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.actions import ActionCheck, action_layout, action_mask_size
from engram.common.box_actions import ActionConverter, BoxAction
from engram.common.errors import EnvironmentFault
from engram.common.rows import make_row, select
from engram.common.vector_env import VectorEnv
from engram.envs.action_masks import KEY, no_action_message, nothing_allowed
from engram.envs.reports import batched_report
from engram.envs.spaces import observation_converter

# Observation, reward, terminated, truncated, infos.
Step = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class GymnasiumRows(VectorEnv):
    """The rows of a Gymnasium vector environment whose next step begins an episode where one has ended.

    A subclass resets and steps `_vector`, and calls `_first_row` and `_next_row` with what that returned.

    Args:
        vector: with `autoreset_mode` NEXT_STEP.
        name: as in `VectorEnv`.
        action: for Box actions, as in `engram.envs.BoxActions`.
        device: of the rows.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        vector: gymnasium.vector.VectorEnv[Any, Any, Any],
        name: str,
        action: BoxAction,
        device: torch.device | str,
        env_index_offset: int = 0,
    ) -> None:
        self._vector = vector
        self.name, self.num_envs = name, vector.num_envs
        self.device = torch.device(device)
        self.env_index_offset = env_index_offset
        self.single_observation_space = vector.single_observation_space
        self.single_action_space = vector.single_action_space
        self._observe = observation_converter(self.single_observation_space, self.num_envs, self.device)
        self._layout = action_layout(self.single_action_space)
        self._check = ActionCheck(self.single_action_space, torch.device("cpu"))
        self.box_action = action
        self._to_env = ActionConverter(self.single_action_space, action)
        self._has_mask = False
        self._is_last = np.zeros(self.num_envs, dtype=np.bool_)
        self._row: TensorDict | None = None
        self._report: dict[str, Tensor] = {}

    def _first_row(self, obs: Any, infos: dict[str, Any]) -> TensorDict:
        """The row of a reset everywhere."""
        self._has_mask = KEY in infos
        everywhere, nowhere = np.ones(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        shape, dtype = self._layout
        no_action = torch.zeros(self.num_envs, *shape, dtype=dtype, device=self.device)
        return self._make_row((obs, np.zeros(self.num_envs), nowhere, nowhere, infos), no_action, everywhere)

    def _converted(self, action: Tensor) -> np.ndarray:
        """What the environments take of a policy's sample `[num_envs, …]`."""
        return self._to_env(self._check(action.detach().cpu(), torch.from_numpy(self._is_last)).numpy())

    def _next_row(self, step: Step, action: Tensor) -> TensorDict:
        """The row of a step with a policy's sample."""
        is_first = self._is_last
        prev_action = action.detach().to(device=self.device, dtype=self._layout[1], copy=True)
        return self._make_row(step, self._without_action(prev_action, is_first), is_first)

    def _without_action(self, prev_action: Tensor, is_first: np.ndarray) -> Tensor:
        """Actions, zero where an episode begins."""
        if not is_first.any():
            return prev_action
        first = torch.from_numpy(is_first).to(self.device)
        return select(first, torch.zeros_like(prev_action), prev_action)

    def _make_row(self, step: Step, prev_action: Tensor, is_first: np.ndarray) -> TensorDict:
        """Make the row of what the vector environment returned, and remember `is_last` and what is reported."""
        obs, reward, terminated, truncated, infos = step
        self._is_last, self._report = terminated | truncated, batched_report(infos)
        self._row = make_row(
            obs=self._observe(obs),
            reward=torch.from_numpy(reward.astype(np.float32)).to(self.device),
            prev_action=prev_action,
            is_first=torch.from_numpy(is_first).to(self.device),
            is_last=torch.from_numpy(self._is_last).to(self.device),
            is_terminal=torch.from_numpy(terminated).to(self.device),
            action_mask=self._mask(infos),
        )
        return self._row

    def report(self) -> dict[str, Tensor]:  # noqa: D102
        return self._report

    def _mask(self, infos: dict[str, Any]) -> Tensor | None:
        """The masks of a row, bool [B, n]; an environment that gives none with it allows everything."""
        if not self._has_mask:
            if KEY not in infos:
                return None
            raise EnvironmentFault(
                f"An environment with action masks must give info[{KEY!r}] at its first reset too, "
                f"but {self.name} gave its first one later: correct the environment."
            )
        allowed = np.ones((self.num_envs, action_mask_size(self.single_action_space) or 0), np.bool_)
        if KEY in infos:
            given = infos.get(f"_{KEY}", np.ones(self.num_envs, np.bool_))
            allowed[given] = infos[KEY][given]
        wrong = nothing_allowed(allowed, self.single_action_space) & ~self._is_last
        if wrong.any():
            index = int(wrong.argmax())
            number = index + self.env_index_offset
            raise EnvironmentFault(no_action_message(allowed[index].tolist(), number, self._place(index)))
        return torch.from_numpy(allowed).to(self.device)

    def _place(self, index: int) -> str:
        """Where environment `index` stands, for messages."""
        return "a row"

    def close(self) -> None:  # noqa: D102
        self._vector.close()
