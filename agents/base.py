"""The agent contract: act on rows with an explicit carry, learn from what was collected, and be saved."""

from __future__ import annotations

import contextlib
import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.deployment.export import ExportFormat, export_agent
from engram.agents.deployment.player import Player
from engram.agents.learned_state import LearnedState
from engram.agents.optim.groups import make_capturable
from engram.agents.outlook import Outlook, no_outlook
from engram.agents.precision import Precision
from engram.agents.settings import AgentSettings
from engram.agents.stored.saving import save_agent
from engram.agents.trainable import Metrics, Trainable, Updates
from engram.common.box_actions import ActionConverter, BoxAction
from engram.common.checked import Checked
from engram.common.cuda_graph import Recorder, record_cuda_graph, to_device
from engram.common.rows import Act, Rollout
from engram.common.streams import (
    environment_keys,
    seeded_initializers,
    stream_key,
    stream_noise,
    stream_uniform,
)


class Agent(LearnedState, Trainable, Checked, ABC):
    """A policy with memory that learns.

    An agent of one's own makes its networks and optimisers as attributes, which are then saved and counted
    (`LearnedState`), and writes `initial_memory`, `choose` and `learn_from`. The options of its constructor are held
    against their annotations; what it takes as `**settings: Annotated[Any, Settings]` are the fields of that class.

    Args:
        observation_space: single Gymnasium space of the observations.
        action_space: single Gymnasium space of the actions.
        settings: all other options.

    Attributes:
        settings: as given.
        device: where the parameters live.
        precision: in force in `choose`, and in `learn_from`, which wraps its networks' forward passes in
            `precision.autocast()` itself.
        num_uniforms: uniform numbers that `choose` is given for every row.
        stores_policy: whether what `choose` gives as `policy` is stored with the row, too.
        box_action: how its environment brings Box actions between the bounds, as in `engram.envs.BoxActions`.
        env_description: of the environments it was trained in, as its run has it; empty if it has none.
        made_of: what the constructor was given, by place and by name.
    """

    made_of: tuple[Sequence[Any], Mapping[str, Any]]

    num_uniforms: int = 0
    stores_policy: bool = False
    box_action: BoxAction = "auto"
    env_description: Mapping[str, Any] = MappingProxyType({})

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Keep what the constructor is given, by which the agent is described where it is saved."""
        agent = super().__new__(cls)
        agent.made_of = (arguments, options)
        return agent

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, settings: AgentSettings
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.settings, self.device = settings, torch.device(settings.device)
        self.precision = Precision(settings.precision, self.device)
        self.rollout_length = self.carry_every = settings.rollout_length
        self.num_updates = 0

    @contextlib.contextmanager
    def seeded(self) -> Iterator[None]:
        """Within the block parameters are drawn by the agent's seed, and nothing else changes by it."""
        with seeded_initializers(stream_key(self.settings.seed, "parameters")):
            yield

    @abstractmethod
    def initial_memory(self, batch_size: int) -> TensorDict:
        """Make what the agent remembers before its first row, `[B]`."""

    @abstractmethod
    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose actions for `act`, without gradients.

        Args:
            row: as of `act`.
            memory: what `initial_memory` or the call before gave, and keys of `act`'s own, `[B]`.
            noise: uniform numbers in (0, 1), `[B, num_uniforms]`: the only source of chance.
            deterministic: as of `act`.
            donate: as of `act`.

        Returns:
            The action `[B, …]`, the memory after the row `[B]`, and extras `[B]` to be stored with the row; among
            them, for whoever draws actions elsewhere, `policy`: the numbers that define it, `[B, n]`.
        """

    @abstractmethod
    def learn_from(self, experience: Any, env_steps: int) -> Metrics:
        """Make one update, for `update`.

        Args:
            experience: a `Rollout`, or an `engram.agents.replay.Batch` of a `ReplayAgent`.
            env_steps: as of `learn`.

        Returns:
            Metrics by name: one without a slash is logged under `losses/`, one with a slash (`optim/learning_rate`) as
            it is.

        Raises:
            FloatingPointError: if a loss is NaN or infinite, see `engram.agents.diagnosis.read_metrics`.
        """

    @torch.no_grad()
    def initial_carry(self, batch_size: int, seed: int | None = None, first_index: int = 0) -> TensorDict:
        """Make the carry to start acting with: the memory, and the streams of noise.

        Args:
            batch_size: number of environments B.
            seed: of the action noise. Default: the agent's own.
            first_index: global index of the first environment, when several processes share a seed.

        Returns:
            TensorDict `[B]`.
        """
        carry = self.initial_memory(batch_size)
        key = stream_key(self.settings.seed if seed is None else seed, "actions")
        carry["noise_key"] = environment_keys(key, batch_size, first_index, self.device)
        carry["noise_counter"] = torch.zeros(batch_size, dtype=torch.int64, device=self.device)
        return carry

    @torch.no_grad()
    def act(
        self, row: TensorDictBase, carry: TensorDictBase, deterministic: bool = False, donate: bool = False
    ) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions for one row per environment.

        Args:
            row: `[B]` with `obs, reward, prev_action, is_first` and `action_mask` where there is one.
            carry: from `initial_carry` or the previous call, `[B]`.
            deterministic: take the most likely action instead of sampling.
            donate: allow the call to overwrite `carry`, which is faster for large memories.

        Returns:
            The action `[B, …]` in the policy's own units (`to_env` converts it), the next carry `[B]`, and extras `[B]`
            to be stored with the row.
        """
        noise = stream_uniform(carry["noise_key"], carry["noise_counter"], self.num_uniforms)
        action, next_carry, extras = self.act_with(noise, row, carry, deterministic, donate)
        if not self.stores_policy:
            extras.pop("policy", None)
        next_carry["noise_key"] = carry["noise_key"]
        next_carry["noise_counter"] = carry["noise_counter"] + 1
        return action, next_carry, extras

    @torch.no_grad()
    def act_with(
        self,
        noise: Tensor,
        row: TensorDictBase,
        carry: TensorDictBase,
        deterministic: bool = False,
        donate: bool = False,
    ) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions with noise from elsewhere, uniform numbers `[B, num_uniforms]`; the next carry has no streams.

        All else is as of `act`; the extras hold `policy` in any case, if `choose` gives it.
        """
        with self.precision.products(), self.precision.autocast():
            action, next_carry, extras = self.choose(row, carry, noise, deterministic, donate)
        return action, next_carry, TensorDict(extras, batch_size=row.batch_size)

    def outlook(self, rows: TensorDictBase, memory: TensorDictBase) -> Outlook:
        """Run the networks over `rows` `[B, T]`, with `memory` `[B]` before them, open to gradients.

        By default an agent has no outlook, which is a ValueError.
        """
        raise no_outlook(self)

    def noise_keys(self, *purposes: str) -> TensorDict:
        """Name streams of noise for this update, by their purposes, `[]` int64 each; for `stream_noise`."""
        keys = [stream_key(self.settings.seed, purpose, self.num_updates) for purpose in purposes]
        on_device = to_device(torch.tensor(keys), self.device)
        return TensorDict(dict(zip(purposes, on_device.unbind(), strict=True)), batch_size=[])

    def noise(self, purpose: str, *shape: int) -> Tensor:
        """Draw uniform numbers in (0, 1) for this update, `shape`; the same whenever they are asked for."""
        return stream_noise(self.noise_keys(purpose)[purpose], *shape)

    @functools.cached_property
    def own_policy(self) -> Act:
        """`act` as a driver calls it: one and the same object at every rollout, as recorded play needs it."""
        return functools.partial(self.act, donate=True)

    def policy(self, env_steps: int) -> Act:
        """Say who acts in the rollout that begins at `env_steps`; by default the agent."""
        return self.own_policy

    def to_env(self, action: Tensor) -> np.ndarray:
        """Turn actions of `act` into what a Gymnasium environment takes, as in the environments it learnt in.

        Example::

            action, carry, _ = agent.act(row, carry, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(agent.to_env(action)[0])

        Args:
            action: `[B, …]`, the agent's own.

        Returns:
            `[B, …]` in the dtype of the action space: discrete ones counted from its `start`, Box ones within its
            bounds.
        """
        return ActionConverter(self.action_space, self.box_action)(action.detach().cpu().numpy())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save the agent in a folder of its own, which `engram.load` and `engram evaluate run=` take as a run's.

        Args:
            path: the folder; it is made, or is empty.

        Returns:
            The folder.

        Raises:
            RunError: a ValueError, if what the agent was made of cannot be described, or the folder holds something.
        """
        return save_agent(self, path)

    def player(self, num_envs: int = 1, seed: int | None = None) -> Player:
        """Make a player, which keeps the memory and takes observations as environments give them.

        Example::

            player = agent.player()
            action = player.act(observation, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(action)

        Args:
            num_envs: number of environments B.
            seed: of the actions that are drawn. Default: the agent's own.
        """
        return Player(self, num_envs, seed)

    def export(self, output: str | Path, format: ExportFormat = "onnx", action_mask: bool = False) -> None:
        """Write what the agent does on a row to a file that needs no Engram; see `export_agent`."""
        export_agent(self, output, format, action_mask)

    def why_no_captured_updates(self) -> str | None:
        """See `Trainable.why_no_captured_updates`; what can be recorded is a `CapturedUpdate` among the attributes."""
        if not self.captured_updates:
            return super().why_no_captured_updates()
        names = {type(core).__name__ for core in self.cores if core.reads_host_resets}
        if not names:
            return None
        return f"the library's kernels for {' and '.join(sorted(names))} need the resets in host memory"

    def capture_updates(self, recorder: Recorder = record_cuda_graph) -> None:
        """Record the parts of updates that are a `CapturedUpdate`, and let optimisers step in recordings.

        Args:
            recorder: how to record.
        """
        if self.captured_updates:
            for optimizer in self.optimizers.values():
                make_capturable(optimizer)
        for update in self.captured_updates.values():
            update.capture(recorder)

    def update(self, experience: Any, env_steps: int) -> Metrics:
        """Make one update by the learning rates of its time, and count it; arguments and errors as of `learn_from`."""
        rates = self.scale_learning_rates(env_steps)
        with self.precision.products():
            metrics = self.learn_from(experience, env_steps)
        self.num_updates += 1
        return {**rates, **metrics}

    def updates(self, rollout: Rollout | None, env_steps: int) -> Updates:
        """One update, from the rollout; see `Trainable.updates`."""
        return Updates(0 if rollout is None else 1, lambda: self.update(rollout, env_steps))
