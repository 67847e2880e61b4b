"""An agent with the `predict` of stable-baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np

from engram.agents.deployment.actor import Actor
from engram.agents.deployment.masks import MaskReader
from engram.agents.deployment.observations import ObservationReader
from engram.agents.deployment.steps import Remembered, Steps
from engram.common.streams import stream_key


class SB3Policy:
    """An agent in the place of a model of stable-baselines3, for what calls `predict`, as `evaluate_policy` does.

    Example::

        from stable_baselines3.common.evaluation import evaluate_policy

        mean, deviation = evaluate_policy(agent.player().as_sb3(), venv, n_eval_episodes=100)

    What is remembered goes in and comes out as `state`; only the number of calls without one is kept, so that no two of
    them draw the same actions.

    Args:
        agent: who acts.

    Raises:
        ValueError: if it reads rewards, which `predict` is not given.
    """

    def __init__(self, agent: Actor) -> None:
        if agent.reads_reward:
            raise ValueError(
                "stable-baselines3's predict is given no rewards, but this agent reads the reward that came with an "
                "observation (previous_reward); play it with Player.act."
            )
        self._num_begun = 0
        self._read = ObservationReader(agent.observation_space, agent.device)
        self._read_mask = MaskReader(agent.observation_space, agent.action_space, agent.device)
        self._steps = Steps(agent, self._read.paths)

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = False,
        action_masks: Any = None,
    ) -> tuple[np.ndarray | np.integer[Any], tuple[Any, ...]]:
        """Choose actions, as a recurrent model of stable-baselines3 does.

        Args:
            observation: `[B, ...]`, or one observation alone.
            state: as the call before returned it; None: nothing came before.
            episode_start: where the observation begins an episode, bool `[B]`. Default: nowhere, but everywhere without
                a state.
            deterministic: take the most likely action instead of drawing one.
            action_masks: which actions are allowed, `[B, n]`, as MaskablePPO's.

        Returns:
            Actions of the action space, `[B, ...]` or one alone, and the state for the next call.

        Raises:
            ValueError: as of `Player.act`, or if state or flags are of another number of environments.
        """
        obs, size = self._read(observation)
        count = size or 1
        begins = np.asarray(state is None if episode_start is None else episode_start).astype(np.bool_)
        begins = np.full(count, begins) if begins.shape == () else begins
        remembered = self._begin(count) if state is None else Remembered(*state)
        if begins.shape != (count,) or len(remembered.prev_action) != count:
            raise ValueError(
                f"state and episode_start are those of the observation's environments, expected {count}, but got a "
                f"state of {len(remembered.prev_action)} and flags of shape {list(begins.shape)}; begin anew "
                "with state=None."
            )
        mask = self._read_mask(action_masks, observation, count)
        reward = np.zeros(count, dtype=np.float32)
        action, after = self._steps(obs, reward, begins, mask, remembered, deterministic, donate=False)
        return (action[0] if size is None else action), tuple(after)

    def _begin(self, count: int) -> Remembered:
        """Begin with draws of their own, the first time those of the agent's seed."""
        seed = stream_key("predict", self._num_begun) if self._num_begun else None
        self._num_begun += 1
        return self._steps.begin(count, seed)
