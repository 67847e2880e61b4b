"""One row after the other: what is remembered between two of them goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engram.agents.deployment.actor import Actor
from engram.agents.deployment.flat_act import FlatAct, FlatRow
from engram.agents.deployment.trace import Trace
from engram.common.actions import action_layout
from engram.common.box_actions import ActionConverter
from engram.common.spaces import Path
from engram.common.streams import host_uniform


class Remembered(NamedTuple):
    """What the next row needs of those before it.

    Attributes:
        memory: the parts of the agent's, `[B, ...]` each.
        prev_action: the policy's own last sample, `[B, ...]`.
        noise_keys: of the streams that actions are drawn from, uint64 `[B]`.
        noise_counters: their next draws, uint64 `[B]`.
    """

    memory: Sequence[Tensor]
    prev_action: Tensor
    noise_keys: np.ndarray
    noise_counters: np.ndarray


# (obs …, reward, prev_action, is_first, noise[, mask], memory …) -> action, memory …
Compute = Callable[..., Sequence[Tensor]]


class Steps:
    """Makes rows of an agent's observations, and actions of the environment of what it chooses.

    In host memory `act` is traced (`Trace`) for each number of environments; `why_not_traced` says why it could not be.

    Args:
        agent: who acts.
        obs_paths: of the parts of an observation.
    """

    def __init__(self, agent: Actor, obs_paths: Sequence[Path]) -> None:
        self._agent, self._act = agent, FlatAct(agent, obs_paths)
        self._num_parts, self._is_on_host = len(obs_paths), agent.device.type == "cpu"
        self._shape, self._dtype = action_layout(agent.action_space)
        self._to_env = ActionConverter(agent.action_space, agent.box_action)
        self._ways: dict[tuple[int, bool, bool, bool], tuple[Compute, bool]] = {}
        self.why_not_traced: str | None = None

    def begin(self, batch_size: int, seed: int | None = None) -> Remembered:
        """Make what is remembered before the first row, `[B]`; `seed` is of the actions' noise."""
        memory, keys, counters = self._act.begin(batch_size, seed)
        prev_action = torch.zeros(batch_size, *self._shape, dtype=self._dtype, device=self._agent.device)
        return Remembered(
            memory, prev_action, *(part.cpu().numpy().view(np.uint64) for part in (keys, counters))
        )

    @torch.inference_mode()
    def __call__(
        self,
        obs: Sequence[Tensor],
        reward: np.ndarray,
        is_first: np.ndarray,
        mask: Tensor | None,
        remembered: Remembered,
        deterministic: bool,
        donate: bool = True,
    ) -> tuple[np.ndarray, Remembered]:
        """Act on a row.

        Args:
            obs: its parts as rows hold them, `[B, ...]`.
            reward: that came with it, float32 `[B]`.
            is_first: where an episode begins, bool `[B]`.
            mask: of allowed actions, bool `[B, n]`; None is all.
            remembered: of the row before.
            deterministic: take the most likely action.
            donate: `remembered` may be overwritten, which is faster for large memories.

        Returns:
            Actions that the environment takes, `[B, ...]`, and what is remembered now.
        """
        memory, prev_action, keys, counters = remembered
        size = len(is_first)
        begins = self._on_device(is_first)
        if is_first.any():
            here = begins.reshape(-1, *(1 for _ in self._shape))
            prev_action = torch.where(here, torch.zeros_like(prev_action), prev_action)
        inputs = [*obs, self._on_device(reward), prev_action, begins]
        masks = [] if mask is None else [mask]
        compute, draws = self._way(size, mask is not None, deterministic, donate, [*inputs, *masks], memory)
        count = self._agent.num_uniforms
        noise = host_uniform(keys, counters, count) if draws else np.zeros((size, count), np.float32)
        action, *after = compute(*inputs, self._on_device(noise), *masks, *memory)
        given = self._to_env((action if self._is_on_host else action.cpu()).numpy())
        return given, Remembered(after, action, keys, counters + np.uint64(1))

    def _on_device(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self._is_on_host else tensor.to(self._agent.device)

    def _way(
        self,
        size: int,
        is_masked: bool,
        deterministic: bool,
        donate: bool,
        row: Sequence[Tensor],
        memory: Sequence[Tensor],
    ) -> tuple[Compute, bool]:
        """Return what acts on rows such as this one, and whether it reads the noise."""
        key = size, is_masked, deterministic, donate
        if key not in self._ways:
            self._ways[key] = self._make_way(key, row, memory)
        return self._ways[key]

    def _make_way(
        self, key: tuple[int, bool, bool, bool], row: Sequence[Tensor], memory: Sequence[Tensor]
    ) -> tuple[Compute, bool]:
        size, is_masked, deterministic, donate = key
        num_parts = self._num_parts

        def act(*inputs: Tensor) -> list[Tensor]:
            parts, (reward, prev_action, is_first, noise, *rest) = inputs[:num_parts], inputs[num_parts:]
            mask = rest.pop(0) if is_masked else None
            flat = FlatRow(parts, reward, prev_action, is_first, mask)
            action, after, _ = self._act(flat, rest, noise, deterministic, donate)
            return [action, *after]

        if not self._is_on_host:
            self.why_not_traced = "only what runs in host memory is traced"
            return act, True
        if self._agent.precision.is_mixed:
            self.why_not_traced = "mixed precision is not traced"
            return act, True
        noise = torch.zeros(size, self._agent.num_uniforms)
        given = [*row[: num_parts + 3], noise, *row[num_parts + 3 :], *memory]
        try:
            trace = Trace(act, given)
        except Exception as error:  # whatever an agent of one's own does: it then acts as it is written
            self.why_not_traced = f"{type(error).__name__}: {error}".splitlines()[0]
            return act, True
        return trace, trace.reads[num_parts + 3]
