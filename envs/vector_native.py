"""A batch of native environments through Gymnasium."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from tensordict import TensorDict
from torch import Tensor

from engram.envs.native_clients import KnowsItsLength, batched_infos, native_seed, own_space
from engram.envs.numpy_rows import action_to_tensor, first_observation, observation_to_numpy
from engram.envs.registration import make_registered
from engram.envs.render_modes import check_render_mode, render_frames, render_metadata
from engram.envs.restart import begin_next

Step = tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class NativeGymnasiumVectorEnv(KnowsItsLength, gymnasium.vector.VectorEnv[Any, Any, np.ndarray]):
    """A native environment as a Gymnasium vector environment, numpy in and out.

    `reset(seed=s)` begins environment i of the run s everywhere, `reset(seed=[s0, s1, …])` what a single environment
    plays after `reset(seed=si)` (where that is None, and everywhere without a seed, the next episode of the same
    run). `options={"reset_mask": mask}` leaves the environments outside of the mask where they are.

    Args:
        native: registered id.
        num_envs: number of environments B.
        render_mode: `rgb_array` for pictures, of environments that draw.
        autoreset_mode: what follows an episode's end, one of Gymnasium's `AutoresetMode` or its value. `NextStep`: the
            next step ignores the action and begins an episode. `SameStep`: the same step does, and the end is under
            `final_obs` and `final_info`. `Disabled`: a reset with a `reset_mask`, by the user.
        max_episode_steps: None; an episode ends by itself.
        **kwargs: options of the environment.

    Raises:
        TypeError: if there is no such option.
        ValueError: if an option has no such value.
    """

    def __init__(
        self,
        native: str,
        num_envs: int = 1,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.native = make_registered(native, num_envs=num_envs, **kwargs)
        if max_episode_steps is not None:
            raise ValueError(
                f"max_episode_steps must be None where a batch of {self.native.name} is stepped as one, but it is "
                f"{max_episode_steps}: leave it out, or make single ones with vectorization_mode='sync'."
            )
        modes = {key: mode for mode in AutoresetMode for key in (mode, mode.value)}
        if autoreset_mode not in modes:
            raise ValueError(
                f"autoreset_mode must be NextStep, SameStep or Disabled, but it is {autoreset_mode!r}: choose one."
            )
        self.num_envs = num_envs
        self.render_mode = check_render_mode(self.native, render_mode)
        self.autoreset_mode = modes[autoreset_mode]
        self.metadata = {"autoreset_mode": self.autoreset_mode, **render_metadata(self.native)}
        self.single_observation_space = own_space(self.native.single_observation_space)
        self.single_action_space = own_space(self.native.single_action_space)
        self.observation_space = own_space(batch_space(self.single_observation_space, num_envs))
        self.action_space = own_space(batch_space(self.single_action_space, num_envs))
        self._all = np.ones(num_envs, np.bool_)

    def reset(  # noqa: D102
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        mask = self._reset_mask(options or {})
        if seed is None or isinstance(seed, (int, np.integer)):
            super().reset(seed=None if seed is None else int(seed))
        is_first_reset = self.native.state is None
        if is_first_reset:
            self.native.reset(int(self.np_random.integers(2**63)))
        if not is_first_reset or seed is not None:
            self._begin(mask, seed)
        return self._observed(mask)

    def step(self, actions: Any) -> Step:  # noqa: D102
        ended = (
            np.zeros(0, np.bool_) if self.native.state is None else self.native.state["is_last"].cpu().numpy()
        )
        if not len(ended) or (self.autoreset_mode is AutoresetMode.DISABLED and ended.any()):
            where = f"those of {ended.nonzero()[0].tolist()} have ended" if len(ended) else "none has begun"
            raise ResetNeeded(
                f"A step needs running episodes, but {where}: call reset, with the option reset_mask for some."
            )
        row = self.native.step(action_to_tensor(self.native, actions), in_space=True)
        terminated = row["is_terminal"].cpu().numpy().copy()
        is_last = row["is_last"].cpu().numpy()
        reward, truncated = row["reward"].double().cpu().numpy(), is_last & ~terminated
        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and is_last.any():
            final = self._final(row, is_last)
            self._begin(is_last, None)
        obs, infos = self._observed(self._all)
        return obs, reward, terminated, truncated, final | infos

    def render(self) -> tuple[np.ndarray, ...] | None:  # noqa: D102
        return render_frames(self.native, self.render_mode)

    def _observed(self, told: np.ndarray) -> tuple[Any, dict[str, Any]]:
        """The observations, and the infos of those environments of which there is something new, bool [B]."""
        obs = observation_to_numpy(self.single_observation_space, self.native.pending_row()["obs"])
        return obs, batched_infos(self.native, told)

    def _final(self, row: TensorDict, is_last: np.ndarray) -> dict[str, Any]:
        """The last observations and infos of episodes that have just ended, as Gymnasium's vectors have them."""
        final_obs = np.full(self.num_envs, None, dtype=object)
        for index in is_last.nonzero()[0]:
            final_obs[index] = first_observation(self.single_observation_space, row["obs"][index : index + 1])
        return {
            "final_obs": final_obs,
            "_final_obs": is_last.copy(),
            "final_info": batched_infos(self.native, is_last),
            "_final_info": is_last.copy(),
        }

    def _begin(self, where: np.ndarray, seed: int | Sequence[int | None] | None) -> None:
        """Begin the next episodes, or with a seed the first ones, where asked, bool [B]."""
        index = torch.from_numpy(where.nonzero()[0]).to(self.native.device)
        begin_next(self.native, index, self._starts(where, seed))

    def _starts(self, where: np.ndarray, seed: int | Sequence[int | None] | None) -> dict[str, Tensor]:
        """What `begin_next` is told of those environments that have a seed."""
        if seed is None:
            return {}
        count, offset, state = self.num_envs, self.native.env_index_offset, self.native.state
        if isinstance(seed, (int, np.integer)):
            seeds, places = [int(seed)] * count, list(range(offset, offset + count))
        else:
            seeds, places = list(seed), [offset] * count  # type: ignore[arg-type]
        if len(seeds) != count:
            raise ValueError(
                f"There must be one seed for each of {count} environments, but got {seed}: give so many."
            )
        given = torch.tensor([number is not None for number in seeds])
        starts = {
            "seed": torch.tensor([native_seed(number or 0) for number in seeds]),
            "env_index": torch.tensor(places),
            "episode": torch.full((count,), -1),
        }
        assert state is not None
        return {
            key: torch.where(given, values, state[key].cpu())[torch.from_numpy(where)].to(self.native.device)
            for key, values in starts.items()
        }

    def _reset_mask(self, options: dict[str, Any]) -> np.ndarray:
        """Where a reset is to happen, bool [B]."""
        mask = options.get("reset_mask")
        if mask is None:
            return self._all
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape {[self.num_envs]} and true somewhere, but it is {mask.dtype} of "
                f"shape {list(mask.shape)} with {int(np.count_nonzero(mask))} true: give such a mask."
            )
        return mask
