"""Any native environment in the place of TorchRL's own: `pip install -e ".[torchrl]"`."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor
from torchrl.data import Binary, Bounded, Categorical, Composite, MultiCategorical, Unbounded
from torchrl.data.tensor_specs import TensorSpec
from torchrl.envs import EnvBase

from engram.common.actions import action_layout
from engram.common.rows import select
from engram.common.spaces import NUMERIC, fold, row_dtype, unsupported
from engram.common.vector_env import check_seed
from engram.envs.native import NativeVectorEnv


class TorchRLEnv(EnvBase):
    """A native environment as a batched TorchRL environment, batch size [num_envs].

    The observation is under `observation`, for Dict and Tuple spaces a nested one with the keys of a row. TorchRL
    resets what is done by itself, by a mask, so the row with which an episode begins comes from `reset`, not from
    `step`; the episodes are those of the native environment, environment by environment. A reset of
    environments that are not done begins their next episode too. Stepping one that is done without resetting
    it begins its next episode with the action ignored.

    Args:
        native: what is stepped; this adapter holds its state.
        seed: of the first episodes, as in `VectorEnv.reset`; `set_seed` chooses another.
        outcome: also give what a task says of an episode that has ended, such as `success`, under its name beside the
            observation, zero elsewhere. Off by default, as infos are with TorchRL, since a policy without `in_keys` is
            given all that stands there.
    """

    def __init__(self, native: NativeVectorEnv, seed: int = 0, outcome: bool = False) -> None:
        super().__init__(device=native.device, batch_size=torch.Size([native.num_envs]))
        self.native = native
        self.episode_seed = check_seed(seed)
        self.native_state: TensorDict | None = None
        batch, device = native.num_envs, native.device
        specs = {"observation": _spec(native.single_observation_space, batch, device)}
        self.has_outcome = outcome
        if outcome:
            for key, value in self._outcome(*native.reset_fn(self.episode_seed)).items():
                specs[key] = Unbounded(value.shape, dtype=value.dtype, device=device)
        self.observation_spec = Composite(specs, shape=(batch,), device=device)
        self.action_spec = _spec(native.single_action_space, batch, device)
        self.reward_spec = Unbounded((batch, 1), dtype=torch.float32, device=device)
        ends = {
            key: Categorical(2, (batch, 1), device=device, dtype=torch.bool)
            for key in ("done", "terminated", "truncated")
        }
        self.done_spec = Composite(ends, shape=(batch,), device=device)

    def _reset(self, tensordict: TensorDictBase | None = None, **_: Any) -> TensorDict:
        mask = None if tensordict is None else tensordict.get("_reset", None)
        if self.native_state is None:
            self.native_state, row = self.native.reset_fn(self.episode_seed)
            return self._observed(self.native_state, row)
        before = self.native_state
        begins = torch.ones_like(before["is_last"]) if mask is None else mask.reshape(self.native.num_envs)
        # What is to begin is stepped as if it had just ended; TorchRL takes only its part of what is returned.
        ended = before.copy().set("is_last", begins)
        shape, dtype = action_layout(self.native.single_action_space)
        action = torch.zeros(self.native.num_envs, *shape, dtype=dtype, device=self.native.device)
        after, row = self.native.step_fn(ended, action)
        if mask is not None:
            after = after.apply(lambda new, old: select(begins, new, old), before)
        self.native_state = after
        return self._observed(after, row)

    def _step(self, tensordict: TensorDictBase) -> TensorDict:
        assert self.native_state is not None, "reset comes before step"
        self.native_state, row = self.native.step_fn(self.native_state, tensordict["action"], True)
        return self._observed(self.native_state, row).set("reward", row["reward"].unsqueeze(1))

    def _outcome(self, state: TensorDict, row: TensorDict) -> dict[str, Tensor]:
        """What there is to say of the episodes that end at a row; zero where none does."""
        if not self.has_outcome:
            return {}
        found = self.native.outcome(dict(state["task"].items()), row["reward"], row["is_terminal"])
        return {key: value * row["is_last"] for key, value in found.items()}

    def _observed(self, state: TensorDict, row: TensorDict) -> TensorDict:
        """The observation, the flags and the outcome of a row, in TorchRL's words."""
        done, terminated = row["is_last"].unsqueeze(1), row["is_terminal"].unsqueeze(1)
        content = {
            "observation": row["obs"],
            "done": done,
            "terminated": terminated,
            "truncated": done & ~terminated,
            **self._outcome(state, row),
        }
        return TensorDict(content, batch_size=self.batch_size, device=self.native.device)

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None:
            self.episode_seed = check_seed(seed)
            self.native_state = None


def _spec(space: gs.Space[Any], batch: int, device: torch.device) -> TensorSpec:
    """Turn a space into the spec of a batch of tensors, as they stand in a row.

    Raises:
        ValueError: if the space is of a kind that no row has.
    """
    return fold(
        space,
        lambda path, leaf: _leaf_spec(leaf, batch, device),
        lambda path, nested, specs: Composite(specs, shape=(batch,), device=device),
    )


def _leaf_spec(space: gs.Space[Any], batch: int, device: torch.device) -> TensorSpec:
    if not isinstance(space, NUMERIC):
        raise unsupported(space)
    dtype = row_dtype(space)
    if isinstance(space, gs.Discrete):
        return Categorical(int(space.n), (batch,), device=device, dtype=dtype)
    shape = (batch, *space.shape)
    if (
        isinstance(space, gs.MultiDiscrete) and len(space.shape) > 1
    ):  # a board, whose categories TorchRL has in a list only
        high = torch.as_tensor(space.nvec - 1).to(device).expand(shape).contiguous()
        return Bounded(torch.zeros_like(high), high, shape, device=device, dtype=dtype)
    if isinstance(space, gs.MultiDiscrete):
        return MultiCategorical(space.nvec.tolist(), shape, device=device, dtype=dtype)
    if isinstance(space, gs.MultiBinary):
        return Binary(shape=shape, device=device, dtype=dtype)
    assert isinstance(space, gs.Box)
    low, high = (_bound(limit, batch, dtype, device) for limit in (space.low, space.high))
    if dtype.is_floating_point and torch.isinf(torch.stack([low, high])).all():
        return Unbounded(shape, device=device, dtype=dtype)
    return Bounded(low, high, shape, device=device, dtype=dtype)


def _bound(limit: Any, batch: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One limit of a Box for every environment."""
    return torch.as_tensor(limit).to(device, dtype).expand(batch, *limit.shape).contiguous()
