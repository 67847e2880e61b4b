"""One native environment through Gymnasium."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from tensordict import TensorDict
from torch import Tensor

from engram.common.actions import ActionCheck, batch_actions
from engram.common.rows import make_row
from engram.envs.native_clients import KnowsItsLength, native_seed, own_space
from engram.envs.numpy_rows import first_observation
from engram.envs.registration import make_registered
from engram.envs.render_modes import RENDER_METADATA, check_render_mode, render_frames, render_metadata


class NativeGymnasiumEnv(KnowsItsLength, gymnasium.Env[Any, Any]):
    """One copy of a native environment as a Gymnasium environment.

    It calls the native's own rules, for a batch of one, and nothing around them: where an episode begins is known
    here, so that nothing has to be selected.

    A reset without a seed begins the next episode of the run that the last seed began.

    Args:
        native: registered id.
        render_mode: `rgb_array` for pictures, of environments that draw.
        **kwargs: options of the environment.

    Raises:
        TypeError: if there is no such option.
        ValueError: if an option has no such value.
    """

    # Of the class, since gymnasium.make reads it before it makes the environment, whose own says what is true.
    metadata = RENDER_METADATA

    def __init__(self, native: str, render_mode: str | None = None, **kwargs: Any) -> None:
        self.native = make_registered(native, num_envs=1, **kwargs)
        self.render_mode = check_render_mode(self.native, render_mode)
        self.metadata = render_metadata(self.native)
        self.observation_space = own_space(self.native.single_observation_space)
        self.action_space = own_space(self.native.single_action_space)
        self._check = ActionCheck(self.action_space, torch.device("cpu"))
        self._counts = torch.zeros(1, dtype=torch.bool)  # no action is ignored
        self._run: tuple[Tensor, Tensor] | None = None  # its seed and the environment's index in it
        self._episode = self._time = torch.zeros(1, dtype=torch.int64, device=self.native.device)
        self._task: dict[str, Tensor] = {}
        self._action: Tensor | None = None  # the last one of the episode
        self._is_over = True

    @torch.inference_mode()
    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=int(seed) if isinstance(seed, np.integer) else seed)
        if seed is not None or self._run is None:
            number = int(self.np_random.integers(2**63)) if seed is None else native_seed(seed)
            count = torch.zeros(1, dtype=torch.int64, device=self.native.device)
            self._run = count + number, count + self.native.env_index_offset
            self._episode = count
        else:
            self._episode = self._episode + 1
        self._task = self.native.begin(*self._run, self._episode)
        self._time, self._action, self._is_over = torch.zeros_like(self._episode), None, False
        return self._observe(), self._infos(is_first=True)

    @torch.inference_mode()
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: D102
        if self._is_over:
            state = "has not begun" if self._run is None else "has ended"
            raise ResetNeeded(
                f"A step needs a running episode, but that of {self.native.name} {state}: call reset()."
            )
        self._action = self._to_tensor(action)
        self._task, reward, terminated, truncated = self.native.advance(self._task, self._time, self._action)
        self._time = self._time + 1
        is_terminal = bool(terminated.item())
        is_truncated = not is_terminal and bool(truncated.item())
        self._is_over = is_terminal or is_truncated
        infos = self._infos(is_first=False) | self._outcome(reward, terminated)
        return self._observe(), float(reward.item()), is_terminal, is_truncated, infos

    def render(self) -> np.ndarray | None:  # noqa: D102
        if self._run is not None and self.render_mode is not None:
            self.native.set_state(*self._state_and_row())
        frames = render_frames(self.native, self.render_mode)
        return None if frames is None else frames[0]

    def _to_tensor(self, action: Any) -> Tensor:
        """An action of the space as a batch of one; ValueError if it is outside."""
        batch = batch_actions(self.action_space, [action], 1)
        return self._check(batch, self._counts, in_space=True).to(self.native.device)

    def _observe(self) -> Any:
        return first_observation(self.observation_space, self.native.observe(self._task, self._time))

    def _infos(self, is_first: bool) -> dict[str, Any]:
        infos = self.native.infos(self._task, is_first)
        return {key: np.array(value[0].cpu().numpy()) for key, value in infos.items()}

    def _outcome(self, reward: Tensor, terminated: Tensor) -> dict[str, Any]:
        found = self.native.outcome(self._task, reward, terminated) if self._is_over else {}
        return {key: value.item() for key, value in found.items()}

    def _state_and_row(self) -> tuple[TensorDict, TensorDict]:
        """What the native's own step would have led to, for its pictures."""
        assert self._run is not None
        is_over = torch.full_like(self._counts, self._is_over, device=self.native.device)
        is_first = torch.full_like(is_over, self._action is None)
        state = {
            "seed": self._run[0],
            "env_index": self._run[1],
            "episode": self._episode,
            "time": self._time,
            "is_last": is_over,
            "task": self._task,
        }
        action = torch.zeros(1, *(self.action_space.shape or ())) if self._action is None else self._action
        obs = self.native.observe(self._task, self._time)
        row = make_row(obs, is_first.float(), action, is_first, is_over, is_over)
        return TensorDict(state, batch_size=[1]), row
