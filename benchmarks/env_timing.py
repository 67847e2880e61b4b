"""How fast native environments step: with random actions drawn before, step by step or as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engram.benchmarks.timing import now
from engram.common.actions import action_layout
from engram.envs import NativeVectorEnv
from engram.envs.captured import record_cuda_graph, warm_up


def random_actions(env: NativeVectorEnv, count: int, seed: int) -> Tensor:
    """Draw random actions as a policy gives them, [count, B, ...]."""
    generator = torch.Generator().manual_seed(seed)
    shape, dtype = action_layout(env.single_action_space)
    draws = torch.rand(count, env.num_envs, *shape, generator=generator)
    space: Any = env.single_action_space
    if dtype.is_floating_point:
        low, high = (torch.as_tensor(bound).clamp(-10, 10) for bound in (space.low, space.high))
        return (low + draws * (high - low)).to(env.device, dtype)
    size = torch.as_tensor(space.nvec if shape else space.n)
    return (draws * size).to(env.device, dtype)


def stepper(env: NativeVectorEnv, actions: Tensor) -> Callable[[], object]:
    """Return a function that steps an environment once, with the next of `actions` [n, B, ...], over and over."""
    place = iter(range(1 << 62))
    batches = list(actions)
    return lambda: env.step(batches[next(place) % len(batches)])


def captured_rollout(env: NativeVectorEnv, actions: Tensor, steps: int, seed: int) -> Callable[[], object]:
    """Return a function that replays a CUDA graph of `steps` steps, each time from where the last one ended."""
    # A copy, because tensors of a state may share memory, which the graph would write twice.
    state = env.reset_fn(seed)[0].clone()

    def rollout() -> None:
        after = state
        for step in range(steps):
            after, _ = env.step_fn(after, actions[step % len(actions)])
        state.update_(after)

    warm_up(rollout, env.device)
    return record_cuda_graph(rollout, env.device)


def rate(step: Callable[[], object], rows: int, least_seconds: float, device: torch.device) -> float:
    """Measure rows per second: calls of `rows` rows each go on for `least_seconds` or longer."""
    start, calls, seconds = now(device), 0, 0.0
    while seconds < least_seconds:
        for _ in range(8):
            step()
        calls += 8
        seconds = now(device) - start
    return calls * rows / seconds
