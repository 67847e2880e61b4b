"""Any native environment in the place of a `VecEnv` of stable-baselines3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict

from engram.common.vector_env import check_seed
from engram.envs.native import NativeVectorEnv
from engram.envs.numpy_rows import action_to_tensor, observation_to_numpy
from engram.envs.render_modes import check_render_mode, render_frames, render_metadata
from engram.envs.restart import begin_next

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ModuleNotFoundError(
        "engram.envs.sb3_env needs stable-baselines3, which is not installed here; install it with "
        "pip install stable-baselines3 (or sb3-contrib for its recurrent agents).",
        name="stable_baselines3",
    ) from error

_Indices = None | int | Iterable[int]


class SB3VecEnv(VecEnv):
    """A native environment as a vectorised environment of stable-baselines3 and sb3-contrib.

    What is done begins its next episode within the step, as they expect: the row that ended it is under
    `terminal_observation` in its info, whether it was cut under `TimeLimit.truncated`, and whether it was a success,
    for tasks that have one, under `is_success`. The episodes are
    those of the native environment, environment by environment; a `reset` without a new seed begins the next.
    A Tuple of observations, which stable-baselines3 does not know, becomes a Dict with the keys `0`, `1`, …, and a
    MultiDiscrete in rows and columns, which it knows as little, one of a single dimension.

    Wrap it in a `VecMonitor` for the returns of episodes in the log.

    Args:
        native: what is stepped; this adapter holds its state.
        seed: of the first episodes, as in `VectorEnv.reset`; `seed` chooses another for the next reset.
        render_mode: `rgb_array` for pictures, of environments that draw.
    """

    def __init__(self, native: NativeVectorEnv, seed: int = 0, render_mode: str | None = None) -> None:
        self.native = native
        self._seed: int | None = check_seed(seed)
        self._actions: Any = None
        self._given_mode = check_render_mode(native, render_mode)
        space = known_space(native.single_observation_space)
        super().__init__(native.num_envs, space, native.single_action_space)
        self.metadata = render_metadata(native)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Choose the seed of the next reset, None for the next episodes of the present one; see `VecEnv.seed`."""
        self._seed = None if seed is None else check_seed(seed)
        return [None if seed is None else seed + index for index in range(self.num_envs)]

    def reset(self) -> Any:
        """Begin an episode everywhere and return the first observations, [num_envs, ...]."""
        if self._seed is not None:
            row = self.native.reset(self._seed)
        else:
            row = begin_next(self.native, torch.arange(self.num_envs, device=self.native.device))
        self._seed = None
        self._reset_options()
        self.reset_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        return self._observed(row)

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions [num_envs, ...] for `step_wait`."""
        self._actions = action_to_tensor(self.native, actions)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step, begin anew what is done, and return observations, rewards, dones and infos."""
        row = self.native.step(self._actions, in_space=True)
        obs = self._observed(row)
        dones, terminals = row["is_last"].cpu().numpy().copy(), row["is_terminal"].cpu().numpy()
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": cut} for cut in (dones & ~terminals).tolist()]
        ended = dones.nonzero()[0]
        if len(ended):
            outcome = self._outcome(row)
            for index in ended:
                infos[index]["terminal_observation"] = _at(obs, index)
                infos[index] |= {key: values[index] for key, values in outcome.items()}
                self.reset_infos[index] = {}
            first = begin_next(self.native, torch.as_tensor(ended, device=self.native.device))
            _put(obs, ended, self._observed(first))
        return obs, row["reward"].cpu().numpy().astype(np.float32), dones, infos

    def _observed(self, row: TensorDict) -> Any:
        """The observations of a row in numpy, in the shapes of the space."""
        space, obs = self.observation_space, observation_to_numpy(self.observation_space, row["obs"])
        if isinstance(space, gs.Dict):
            return {key: _shaped(space[key], part) for key, part in obs.items()}
        return _shaped(space, obs)

    def _outcome(self, row: TensorDict) -> dict[str, list[Any]]:
        """What there is to say of the episodes that end, as stable-baselines3 calls it."""
        assert self.native.state is not None
        found = self.native.outcome(
            dict(self.native.state["task"].items()), row["reward"], row["is_terminal"]
        )
        return {"is_success" if key == "success" else key: value.tolist() for key, value in found.items()}

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture of each environment, or None for each without a render mode."""
        return render_frames(self.native, self._given_mode) or [None] * self.num_envs

    def close(self) -> None:
        """Release what the native environment holds."""
        self.native.close()

    def get_attr(self, attr_name: str, indices: _Indices = None) -> list[Any]:
        """Return an attribute of the native environment once for each index: they share it."""
        own = {"render_mode": self._given_mode, "spec": None}
        value = own[attr_name] if attr_name in own else getattr(self.native, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: _Indices = None) -> None:
        """Set an attribute of the native environment, of all its environments at once.

        Raises:
            ValueError: only some were asked for.
        """
        if set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ValueError(
                f"The environments of a native share their attributes, but {attr_name} was to be set for "
                f"{indices!r} alone: set it for all, or make several natives."
            )
        setattr(self.native, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: _Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of single environments: a native has `render`.

        Raises:
            AttributeError: another was asked for.
        """
        if method_name != "render":
            raise AttributeError(
                f"A native steps all its environments at once and has no single ones with a method "
                f"{method_name!r}, only 'render': take gymnasium.make and a DummyVecEnv for others."
            )
        return [self.native.render(index) for index in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: _Indices = None) -> list[bool]:
        """Say for each index that no wrapper of Gymnasium is around it."""
        return [False for _ in self._get_indices(indices)]


def known_space(space: gymnasium.Space[Any]) -> gymnasium.Space[Any]:
    """Return the space of the same observations that stable-baselines3 knows: see `SB3VecEnv`."""
    if isinstance(space, gs.Tuple):
        space = gs.Dict({str(key): part for key, part in enumerate(space.spaces)})
    if isinstance(space, gs.Dict):
        return gs.Dict({key: known_space(part) for key, part in space.spaces.items()})
    if isinstance(space, gs.MultiDiscrete) and len(space.shape) > 1:
        return gs.MultiDiscrete(space.nvec.flatten(), dtype=space.dtype, start=space.start.flatten())
    return space


def _shaped(space: gymnasium.Space[Any], obs: np.ndarray) -> np.ndarray:
    """The observations of a leaf, [num_envs, *shape of the space]."""
    return obs.reshape(len(obs), *(space.shape or ()))


def _at(obs: Any, index: int) -> Any:
    """The observation of one environment, a copy."""
    return (
        {key: part[index].copy() for key, part in obs.items()} if isinstance(obs, dict) else obs[index].copy()
    )


def _put(obs: Any, index: np.ndarray, first: Any) -> None:
    """Write observations to their places in the batch."""
    if isinstance(obs, dict):
        for key, part in obs.items():
            part[index] = first[key]
    else:
        obs[index] = first
