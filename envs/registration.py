"""The native environments as Gymnasium environments, for users without an agent of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from tensordict import TensorDict

from envs.diagnostic import CopySequence, DiscountingChain, MemoryChain, RecallFirst, TMaze
from envs.memory_maze import memory_maze_factories
from envs.memory_maze.registry import register_real_mazes
from envs.native import NativeVectorEnv
from envs.numpy_rows import action_to_tensor, observation_to_numpy
from envs.popgym import native_factories, register_families
from envs.render_modes import RENDER_METADATA, check_render_mode, render_frames, render_metadata

_NATIVE: dict[str, Callable[..., NativeVectorEnv]] = {
    "engram/CopySequence-v0": CopySequence,
    "engram/DiscountingChain-v0": DiscountingChain,
    "engram/MemoryChain-v0": MemoryChain,
    "engram/RecallFirst-v0": RecallFirst,
    "engram/TMaze-v0": TMaze,
    **native_factories(),
    **memory_maze_factories(),
}


def registered_natives() -> dict[str, Callable[..., NativeVectorEnv]]:
    """Return what makes every registered native environment, given `num_envs` and options, by its id."""
    return dict(_NATIVE)


class NativeGymnasiumVectorEnv(gymnasium.vector.VectorEnv[Any, Any, np.ndarray]):
    """A native environment as a Gymnasium vector environment with NEXT_STEP autoreset, numpy in and out.

    Args:
        native: registered id.
        num_envs: number of environments B.
        render_mode: `rgb_array` for pictures, of environments that draw.
        **kwargs: options of the environment.
    """

    def __init__(self, native: str, num_envs: int = 1, render_mode: str | None = None, **kwargs: Any) -> None:
        self.native = _NATIVE[native](num_envs=num_envs, **kwargs)
        self.num_envs = num_envs
        self.render_mode = check_render_mode(self.native, render_mode)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, **render_metadata(self.native)}
        self.single_observation_space = self.native.single_observation_space
        self.single_action_space = self.native.single_action_space
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)

    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        row = self.native.reset(int(self.np_random.integers(2**31)) if seed is None else seed)
        return observation_to_numpy(self.single_observation_space, row["obs"]), {}

    def step(  # noqa: D102
        self, actions: Any
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        row = self.native.step(action_to_tensor(self.native, actions), in_space=True)
        terminated = row["is_terminal"].cpu().numpy().copy()
        truncated = row["is_last"].cpu().numpy() & ~terminated
        obs = observation_to_numpy(self.single_observation_space, row["obs"])
        return obs, row["reward"].double().cpu().numpy(), terminated, truncated, {}

    def render(self) -> tuple[np.ndarray, ...] | None:  # noqa: D102
        return render_frames(self.native, self.render_mode)


class NativeGymnasiumEnv(gymnasium.Env[Any, Any]):
    """One copy of a native environment as a Gymnasium environment.

    Args:
        native: registered id.
        render_mode: `rgb_array` for pictures, of environments that draw.
        **kwargs: options of the environment.
    """

    # Of the class, since gymnasium.make reads it before it makes the environment, whose own says what is true.
    metadata = RENDER_METADATA

    def __init__(self, native: str, render_mode: str | None = None, **kwargs: Any) -> None:
        self.native = _NATIVE[native](num_envs=1, **kwargs)
        self.render_mode = check_render_mode(self.native, render_mode)
        self.metadata = render_metadata(self.native)
        self.observation_space = self.native.single_observation_space
        self.action_space = self.native.single_action_space

    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is None and self.native.state is not None:
            # Without a seed the next episode of the same run begins, wherever this one is.
            self.native.state = self.native.state.clone().fill_("is_last", True)
            row = self.native.step(action_to_tensor(self.native, [self.action_space.sample()]), in_space=True)
        else:
            row = self.native.reset(int(self.np_random.integers(2**31)) if seed is None else seed)
        return self._first(row), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: D102
        row = self.native.step(action_to_tensor(self.native, [action]), in_space=True)
        terminated = bool(row["is_terminal"])
        return self._first(row), float(row["reward"]), terminated, bool(row["is_last"]) and not terminated, {}

    def render(self) -> np.ndarray | None:  # noqa: D102
        frames = render_frames(self.native, self.render_mode)
        return None if frames is None else frames[0]

    def _first(self, row: TensorDict) -> Any:
        """The observation of the only environment."""
        obs = observation_to_numpy(self.observation_space, row["obs"])
        return next(
            gymnasium.vector.utils.iterate(gymnasium.vector.utils.batch_space(self.observation_space), obs)
        )


def register() -> None:
    """Register all, once: `import envs` is enough, or `gymnasium.make("envs:engram/RecallFirst-v0")`."""
    for id in _NATIVE:
        if id not in gymnasium.registry:
            gymnasium.register(
                id=id,
                entry_point="envs.registration:NativeGymnasiumEnv",
                vector_entry_point="envs.registration:NativeGymnasiumVectorEnv",
                kwargs={"native": id},
            )
    register_families()
    register_real_mazes()


register()
