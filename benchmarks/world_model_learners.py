"""World-model agents on made-up rows: one update by its parts, and observing alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from tensordict import TensorDict

from engram.agents import Dreamer
from engram.agents.replay import Batch
from engram.agents.stored.loading import build_agent
from engram.benchmarks.stopwatch import Stopwatch
from engram.command_line.config import compose_config
from engram.common.errors import UsageError

OBSERVATIONS: dict[str, spaces.Box] = {
    "vector": spaces.Box(-np.inf, np.inf, (16,), np.float32),
    "image": spaces.Box(0, 255, (64, 64, 3), np.uint8),
}
NUM_ACTIONS = 6
EPISODE_LENGTH = 100
PARTS = ("observe", "imagine", "losses", "backward", "optimiser", "other")
# The sizes named by their parameters are DreamerV3's, the others R2I's.
DREAMERV3_SIZES = ("1M", "12M", "25M", "50M")
POSTERIORS = ("observation", "memory")


@dataclass(frozen=True)
class Problem:
    """What an update is made of.

    Attributes:
        size: a file of configs/size.
        batch_size: sequences.
        batch_length: rows of each.
        observation: `vector` of 16 numbers, or `image` of 64×64×3 bytes.
        device: where.
        seed: of parameters and rows.
        overrides: further options of the agent and its core, `key=value`.
    """

    size: str
    batch_size: int
    batch_length: int
    observation: str = "vector"
    device: str = "cpu"
    seed: int = 0
    overrides: tuple[str, ...] = ()

    @property
    def agent(self) -> str:
        """The agent whose preset the size is."""
        return "dreamerv3" if self.size in DREAMERV3_SIZES else "r2i"

    def compose(self, *words: str) -> dict[str, Any]:
        """Compose the configuration of this problem's agent with further words."""
        shape = [f"agent.batch_size={self.batch_size}", f"agent.batch_length={self.batch_length}"]
        preset = [f"agent={self.agent}", f"size={self.size}", f"seed={self.seed}"]
        return compose_config("train", [*preset, *shape, *words, *self.overrides]).values


class Learner(Protocol):
    """Something that learns a world model.

    Attributes:
        num_parameters: of all that is learnt.
        watch: tells the parts of an update.
    """

    num_parameters: int
    watch: Stopwatch

    def update(self) -> dict[str, float]:
        """Learn from the batch once; returns the seconds of every one of `PARTS`."""
        ...

    def observe(self) -> None:
        """Observe the batch alone, the encoder included, and differentiate that."""
        ...


class EngramLearner:
    """A `Dreamer` on any core.

    With DreamerV3's sizes and a posterior that reads the observation alone, h is a layer as wide as the gated
    cores' state (as in R2I), so that all heads have the same size whatever the core.

    Args:
        name: `<core>/<posterior>`, such as `r2i/observation`.
        problem: sizes and device.

    Raises:
        UsageError: for a name of another form.
        ValueError: for options that cannot work.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        core, _, posterior = name.partition("/")
        if posterior not in POSTERIORS:
            raise UsageError(
                f"A learner is <core>/observation, <core>/memory or torchrl/<core>, but got {name!r}; "
                "name one such as r2i/observation."
            )
        words = [f"core={core}", f"agent.posterior={posterior}"]
        if problem.agent == "dreamerv3" and posterior == "observation":
            words.append("agent.memory_size=${size.recurrent_size}")
        config, device = problem.compose(*words), problem.device
        space = OBSERVATIONS[problem.observation]
        agent = build_agent(config, space, spaces.Discrete(NUM_ACTIONS), device, config["allow"])
        assert isinstance(agent, Dreamer)
        self.agent = agent
        carry = agent.stored_carry(agent.initial_carry(problem.batch_size))
        rows = make_rows(problem)
        self.batch = Batch(rows, carry, torch.ones(rows.batch_size, dtype=torch.bool))
        self.watch = Stopwatch(agent.device)
        self.num_parameters = sum(
            parameter.numel()
            for module in (agent.world_model, agent.behavior)
            for parameter in module.parameters()
            if parameter.requires_grad
        )
        self._wrap()

    def _wrap(self) -> None:
        wrap, agent = self.watch.wrap, self.agent
        wrap(agent.world_model, "observe", part="observe", before="other")
        wrap(agent.world_model, "losses", part="losses", before="other")
        wrap(agent.world_model, "imagine", part="imagine", before="imagine")
        for method in ("losses", "replay_loss"):
            wrap(agent.behavior, method, part="losses", before="losses")
        wrap(agent.optimizer, "zero_grad", part="optimiser", before="losses")
        wrap(agent, "clip_gradients", part="optimiser", before="backward")
        wrap(agent.optimizer, "step", part="optimiser", before="other")
        wrap(agent.behavior, "update_slow_critic", part="optimiser", before="optimiser")

    def update(self) -> dict[str, float]:
        """Learn once; see `Learner`."""
        self.watch.start()
        self.agent.update(self.batch, 0)
        return self.watch.stop("other")

    def observe(self) -> None:
        """Observe forward and backward; see `Learner`."""
        agent, rows = self.agent, self.batch.rows
        noise = agent.noise("posterior", *rows.batch_size, agent.settings.num_categoricals)
        every = agent.settings.imagine_every
        with agent.precision.products(), agent.precision.autocast():
            observed = agent.world_model.observe(
                rows.to(agent.device), self.batch.carry, noise, every, rows["is_first"].cpu()
            )
        total = observed.features.mean() + observed.prior.mean() + observed.posterior.mean()
        parameters = [*agent.world_model.encoder.parameters(), *agent.world_model.dynamics.parameters()]
        torch.autograd.grad(total, parameters, allow_unused=True)


def make_rows(problem: Problem) -> TensorDict:
    """Make random rows `[B, T]`; every sequence's first row and every 100th of a stream begin an episode."""
    generator = torch.Generator().manual_seed(problem.seed)
    shape = (problem.batch_size, problem.batch_length)
    stream = torch.arange(shape[1]) + 37 * torch.arange(shape[0]).unsqueeze(1)
    is_first = stream % EPISODE_LENGTH == 0
    is_first[:, 0] = True
    is_last = torch.zeros_like(is_first)
    is_last[:, :-1] = is_first[:, 1:]
    space = OBSERVATIONS[problem.observation]
    obs = torch.randint(256, (*shape, *space.shape), dtype=torch.uint8, generator=generator)
    if problem.observation == "vector":
        obs = torch.randn(*shape, *space.shape, generator=generator)
    actions = torch.randint(NUM_ACTIONS, (2, *shape), generator=generator)
    return TensorDict(
        {
            "obs": obs,
            "reward": torch.randn(shape, generator=generator) * ~is_first,
            "prev_action": actions[0] * ~is_first,
            "action": actions[1],
            "is_first": is_first,
            "is_last": is_last,
            "is_terminal": is_last.clone(),
        },
        batch_size=shape,
    )
