"""An agent's `act` as a function from tensors to tensors, which can be traced, compiled and exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.deployment.actor import Actor
from engram.common.spaces import Path

NOISE_KEYS = ("noise_key", "noise_counter")


class FlatRow(NamedTuple):
    """A row, as `engram.common.rows` has it, without a TensorDict.

    Attributes:
        obs: parts of the observations in the order of their paths, `[B, ...]` each.
        reward: float32 `[B]`.
        prev_action: `[B, ...]`.
        is_first: bool `[B]`.
        action_mask: bool `[B, n]`; None: all is allowed.
    """

    obs: Sequence[Tensor]
    reward: Tensor
    prev_action: Tensor
    is_first: Tensor
    action_mask: Tensor | None


class FlatAct:
    """Acts on flat rows, with the parts of the memory as a list.

    Args:
        agent: who acts.
        obs_paths: of the parts of an observation.

    Attributes:
        memory_paths: of the parts of the agent's memory: its carry without the streams of noise.
    """

    def __init__(self, agent: Actor, obs_paths: Sequence[Path]) -> None:
        self.agent, self._obs_paths = agent, list(obs_paths)
        self._memory = agent.initial_carry(1).exclude(*NOISE_KEYS)
        self.memory_paths = list(_paths(self._memory))

    def begin(self, batch_size: int, seed: int | None) -> tuple[list[Tensor], Tensor, Tensor]:
        """Make the parts of the memory before the first row, and the keys and counters of the noise, `[B]`."""
        carry = self.agent.initial_carry(batch_size, seed)
        return [carry[path] for path in self.memory_paths], *(carry[key] for key in NOISE_KEYS)

    def template(self) -> list[Tensor]:
        """The parts of the memory of one environment before its first row, to read shapes and dtypes off."""
        return [self._memory[path] for path in self.memory_paths]

    def __call__(
        self, row: FlatRow, memory: Sequence[Tensor], noise: Tensor, deterministic: bool, donate: bool = False
    ) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Act on a row.

        Args:
            row: `[B]`.
            memory: its parts before the row.
            noise: uniform numbers in (0, 1), `[B, num_uniforms]`.
            deterministic: take the most likely action.
            donate: the memory may be overwritten.

        Returns:
            The policy's own sample `[B, ...]`, the parts of the memory after the row, and the numbers that define the
            policy, `[B, n]`; None if the agent does not give them.
        """
        size = [row.is_first.shape[0]]
        parts = {
            "obs": row.obs[0] if self._obs_paths == [()] else nested(self._obs_paths, row.obs, size),
            "reward": row.reward,
            "prev_action": row.prev_action,
            "is_first": row.is_first,
        }
        if row.action_mask is not None:
            parts["action_mask"] = row.action_mask
        carry = _like(self._memory, iter(memory), size)
        made = TensorDict(parts, batch_size=size)
        action, after, extras = self.agent.act_with(noise, made, carry, deterministic, donate)
        return action, [after[path] for path in self.memory_paths], extras.get("policy", None)


def nested(paths: Sequence[Path], tensors: Sequence[Tensor], batch_size: Sequence[int]) -> TensorDict:
    """Put tensors together by their paths."""
    made = TensorDict({}, batch_size=list(batch_size))
    for path, tensor in zip(paths, tensors, strict=True):
        made[path] = tensor
    return made


def _paths(memory: TensorDictBase, path: Path = ()) -> Iterator[Path]:
    """List the paths to the tensors of a memory."""
    for key, value in memory.items():
        if isinstance(value, TensorDictBase):
            yield from _paths(value, (*path, key))
        else:
            yield (*path, key)


def _like(memory: TensorDictBase, tensors: Iterator[Tensor], batch_size: list[int]) -> TensorDict:
    """Put tensors in the places of a memory, in the order of `_paths`; what is empty stays so."""
    parts = {
        key: _like(value, tensors, batch_size) if isinstance(value, TensorDictBase) else next(tensors)
        for key, value in memory.items()
    }
    return TensorDict(parts, batch_size=batch_size)
