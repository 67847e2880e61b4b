"""A trained agent that plays: observations in as the environment gives them, actions out as it takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from engram.agents.deployment.actor import Actor
from engram.agents.deployment.masks import MaskReader
from engram.agents.deployment.observations import ObservationReader
from engram.agents.deployment.sb3_policy import SB3Policy
from engram.agents.deployment.steps import Steps
from engram.common.checked import check_value
from engram.common.option_types import Count, Seed


class Player:
    """Plays in some environments and remembers for each of them what the agent saw, did and drew.

    Example::

        player = agents.load("runs/…").player()
        observation, info = env.reset()
        player.reset()
        for _ in range(1000):
            action = player.act(observation, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                observation, info = env.reset()
                player.reset()

    A player with the parameters of a learning agent plays with them as they are at each row.

    Args:
        agent: who plays.
        num_envs: number of environments B.
        seed: of the actions that are drawn. Default: the agent's own.

    Raises:
        ValueError: for an option that is wrong.
    """

    def __init__(self, agent: Actor, num_envs: Count = 1, seed: Seed | None = None) -> None:
        self.agent, self.num_envs = agent, check_value(num_envs, Count, "num_envs", "Player")
        seed = check_value(seed, Seed | None, "seed", "Player")
        self._reads_reward = agent.reads_reward
        self._read = ObservationReader(agent.observation_space, agent.device)
        self._read_mask = MaskReader(agent.observation_space, agent.action_space, agent.device)
        self._steps = Steps(agent, self._read.paths)
        self._memory = self._steps.begin(self.num_envs, seed)
        self._begins = np.ones(self.num_envs, dtype=np.bool_)

    def reset(self, mask: Any = None) -> None:
        """Let the next row begin an episode: the agent then remembers nothing of before.

        Args:
            mask: in which environments, bool `[B]`. Default: in all of them.

        Raises:
            ValueError: for another shape or kind.
        """
        self._begins |= True if mask is None else self._flags(mask, "mask")

    def act(
        self,
        observation: Any,
        reward: Any = None,
        *,
        deterministic: bool = False,
        action_mask: Any = None,
        is_first: Any = None,
    ) -> np.ndarray | np.integer[Any]:
        """Choose an action for every environment, and remember the row.

        Args:
            observation: of every environment, `[B, ...]`, as a vector gives it; with one environment also its
                observation alone. Numbers, arrays, lists and tensors, in dicts and tuples like the space.
            reward: that came with it, `[B]` or of one environment a number; only for agents that read it
                (`previous_reward`). Where an episode begins it does not count.
            deterministic: take the most likely action instead of drawing one.
            action_mask: which actions are allowed, `[B, n]` or of one environment `[n]`. Default: what the
                observation's own entry `action_mask` says, else all. Where nothing is allowed, any action may come.
            is_first: where the observation begins an episode, bool `[B]` or one bool; beside those that `reset` said.

        Returns:
            Actions of the action space, `[B, ...]`, in its dtype; of an observation alone one action.

        Raises:
            ValueError: if an argument has another shape or kind than it must have, in one sentence.
        """
        obs, size = self._read(observation)
        if (size or 1) != self.num_envs:
            got = "one without a batch" if size is None else f"{size}"
            raise ValueError(
                f"A player is given an observation of each of its environments, expected {self.num_envs}, but got "
                f"{got}; make the player with num_envs={size or 1}."
            )
        begins = self._begins if is_first is None else self._begins | self._flags(is_first, "is_first")
        rewards = self._rewards(reward, begins)
        mask = self._read_mask(action_mask, observation, self.num_envs)
        action, self._memory = self._steps(obs, rewards, begins, mask, self._memory, deterministic)
        self._begins = np.zeros(self.num_envs, dtype=np.bool_)
        return action[0] if size is None else action

    @property
    def why_not_traced(self) -> str | None:
        """Say why rows are acted on as the agent is written, which is slower; None if they are traced (`Trace`)."""
        return self._steps.why_not_traced

    def as_sb3(self) -> SB3Policy:
        """Return the agent with the `predict` of stable-baselines3; it shares no memory with this player."""
        return SB3Policy(self.agent)

    def _flags(self, value: Any, name: str) -> np.ndarray:
        """Read where something is so, bool [B]."""
        flags = np.asarray(value.cpu() if isinstance(value, Tensor) else value)
        if flags.dtype != np.bool_ or (
            flags.shape != (self.num_envs,) and (flags.shape or self.num_envs > 1)
        ):
            raise ValueError(
                f"{name} says of every environment whether it begins an episode, expected bool of shape "
                f"{[self.num_envs]}, but got {flags.dtype} of shape {list(flags.shape)}; give one bool for each."
            )
        return flags.reshape(self.num_envs)

    def _rewards(self, reward: Any, begins: np.ndarray) -> np.ndarray:
        """Read rewards, float32 [B]; 0 where an episode begins."""
        if reward is None:
            if self._reads_reward and not begins.all():
                raise ValueError(
                    "This agent reads the reward that came with an observation (previous_reward), but was given none; "
                    "give act the reward of env.step, or begin an episode with reset."
                )
            return np.zeros(self.num_envs, dtype=np.float32)
        given = np.asarray(reward.detach().cpu() if isinstance(reward, Tensor) else reward)
        is_one = self.num_envs == 1 and given.shape == ()
        if given.dtype.kind not in "biuf" or not (is_one or given.shape == (self.num_envs,)):
            got = given.tolist() if given.dtype.kind not in "biuf" else f"shape {list(given.shape)}"
            raise ValueError(
                f"reward must be a number for every environment, expected shape {[self.num_envs]}, but got {got}; "
                "give what env.step returned."
            )
        numbers = given.astype(np.float32).reshape(self.num_envs)
        counted = np.where(begins, np.float32(0), numbers)
        if not np.isfinite(counted).all():
            raise ValueError(f"reward must be finite, but got {given.tolist()}; correct the environment.")
        return counted
