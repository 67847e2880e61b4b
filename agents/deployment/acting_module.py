"""An agent's `act` as a module of tensors by name: what is exported, and what `torch.compile` takes whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.deployment.actor import Actor
from engram.agents.deployment.flat_act import FlatAct, FlatRow
from engram.common.actions import action_layout, action_mask_size
from engram.common.box_actions import BoxActions
from engram.common.rows import select
from engram.common.spaces import NUMERIC, Path, place, row_dtype
from engram.common.spaces import leaves as space_leaves

NEXT = "next."


class ActingModule(nn.Module):
    """Takes the most likely actions, one row for each environment, from tensors by name and to tensors by name.

    Inputs are, `[B, ...]` each: the parts of an observation as the environment gives them (`obs`, or `obs.camera`),
    `reward` if the agent reads it, `prev_action`, `is_first`, `action_mask` if it is asked for, `noise` (uniform in
    (0, 1)) if what is remembered is drawn by it, and the parts of the memory (`memory.core.hidden`), complex ones as
    pairs of real numbers. Where `is_first` all but the observation counts for nothing.

    Outputs are `action`, which the environment takes; `policy`, the numbers that define the policy, if the agent gives
    them; and what the next row needs under the names of inputs behind `next.`. Who draws actions gives what was drawn
    as `prev_action`.

    Args:
        agent: who acts.
        action_mask: take a mask of allowed actions; an observation's own entry `action_mask` is read in any case.
        noise: take noise.
    """

    def __init__(self, agent: Actor, action_mask: bool = False, noise: bool = True) -> None:
        super().__init__()
        parts = [
            (path, leaf) for path, leaf in space_leaves(agent.observation_space) if isinstance(leaf, NUMERIC)
        ]
        self._obs = {"obs" if not path else f"obs.{place(path)}": leaf for path, leaf in parts}
        self._act = FlatAct(agent, [path for path, _ in parts])
        for name, network in agent.networks.items():
            self.add_module(name, network)
        self._starts = {name: _start(leaf) for name, leaf in self._obs.items()}
        self._action_start = _start(agent.action_space)
        self._shape, self._dtype = action_layout(agent.action_space)
        self._options = action_mask_size(agent.action_space)
        self._takes_mask, self._takes_noise = action_mask, noise
        self._own_mask = _own_mask(agent.observation_space, [path for path, _ in parts], self._options)
        self._memory = ["memory." + place(path) for path in self._act.memory_paths]
        self._are_complex = [part.is_complex() for part in self._act.template()]
        self._to_bounds = None
        if isinstance(agent.action_space, spaces.Box):
            self._to_bounds = BoxActions(agent.action_space, agent.box_action).on(agent.device)

    def example(self, batch_size: int) -> dict[str, Tensor]:
        """Make inputs by name of an episode's first row, `[B, ...]`, in the order in which they are given."""
        agent, memory = self._act.agent, self._act.begin(batch_size, None)[0]
        inputs = {
            name: torch.as_tensor(np.stack([np.asarray(_lowest(leaf))] * batch_size)).to(row_dtype(leaf))
            for name, leaf in self._obs.items()
        }
        if agent.reads_reward:
            inputs["reward"] = torch.zeros(batch_size)
        inputs["prev_action"] = torch.zeros(batch_size, *self._shape, dtype=self._dtype)
        inputs["is_first"] = torch.ones(batch_size, dtype=torch.bool)
        if self._takes_mask:
            inputs["action_mask"] = torch.ones(batch_size, self._options or 0, dtype=torch.bool)
        if self._takes_noise:
            inputs["noise"] = torch.full((batch_size, agent.num_uniforms), 0.5)
        inputs |= zip(self._memory, map(_as_pairs, memory), strict=True)
        return {name: value.to(agent.device) for name, value in inputs.items()}

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Act on a row; see the class."""
        is_first, prev_action = inputs["is_first"], inputs["prev_action"]
        size = is_first.shape[0]
        reward = inputs.get("reward", torch.zeros_like(is_first, dtype=torch.float32))
        row = FlatRow(
            obs=[
                inputs[name] if start is None else inputs[name] - start
                for name, start in self._starts.items()
            ],
            reward=torch.where(is_first, torch.zeros_like(reward), reward),
            prev_action=select(is_first, torch.zeros_like(prev_action), prev_action),
            is_first=is_first,
            action_mask=inputs["action_mask"] if self._takes_mask else self._mask_of(inputs),
        )
        memory = [
            torch.view_as_complex(inputs[name]) if is_complex else inputs[name]
            for name, is_complex in zip(self._memory, self._are_complex, strict=True)
        ]
        noise = inputs.get(
            "noise", torch.full((size, self._act.agent.num_uniforms), 0.5, device=is_first.device)
        )
        sample, after, policy = self._act(row, memory, noise, deterministic=True)
        outputs = {"action": self._given(sample)}
        if policy is not None:
            outputs["policy"] = policy
        outputs[NEXT + "prev_action"] = sample
        return outputs | {
            NEXT + name: _as_pairs(value) for name, value in zip(self._memory, after, strict=True)
        }

    def _mask_of(self, inputs: Mapping[str, Tensor]) -> Tensor | None:
        """The mask that the observation holds itself, if it does."""
        if not self._own_mask:
            return None
        return torch.cat([inputs[name].flatten(1) for name in self._own_mask], dim=-1) != 0

    def _given(self, sample: Tensor) -> Tensor:
        """What the environment takes in the place of the policy's own sample."""
        if self._to_bounds is not None:
            return self._to_bounds(sample)
        return sample if self._action_start is None else sample + self._action_start


def _own_mask(space: spaces.Space[Any], paths: list[Path], options: int | None) -> list[str]:
    """The names of the parts of an observation that are its own mask, as environments' adapters read it."""
    if options is None or not isinstance(space, spaces.Dict) or "action_mask" not in space.spaces:
        return []
    return [f"obs.{place(path)}" for path in paths if path[0] == "action_mask"]


def _start(space: spaces.Space[Any]) -> Tensor | None:
    """What choices are counted from, where that is not 0, as rows and agents count."""
    start: Any = getattr(space, "start", 0)
    return torch.as_tensor(np.asarray(start, dtype=np.int64)) if np.any(start) else None


def _lowest(leaf: spaces.Space[Any]) -> Any:
    """A sample of a space that is always the same."""
    if isinstance(leaf, spaces.Discrete | spaces.MultiDiscrete):
        return leaf.start
    return np.zeros(leaf.shape or (), leaf.dtype)


def _as_pairs(value: Tensor) -> Tensor:
    return torch.view_as_real(value) if value.is_complex() else value
