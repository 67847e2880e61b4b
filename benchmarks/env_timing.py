"""How fast environments step, beside their peers: random actions drawn before, step by step or as one CUDA graph."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from functools import partial
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from engram.benchmarks.options import Counts, DeviceOptions
from engram.benchmarks.table import Columns, Table
from engram.benchmarks.timing import in_turn, median_ratio, rate
from engram.common.actions import action_layout
from engram.common.checked import settings
from engram.common.cuda_graph import record_cuda_graph, warm_up
from engram.common.option_types import Count, Positive, Seed
from engram.envs import NativeVectorEnv

# Steps whose actions are drawn before; then they come again.
ACTIONS = 64
# What measures rows per second, by what it measures and of how many native environments; a peer has no number.
Timers = dict[tuple[str, int | None], Callable[[], float]]


@settings()
class SteppingOptions(DeviceOptions):
    """What the benchmarks of environments take.

    Args:
        num_envs: how many native environments step at once.
        package: beside the environments of the package that they copy.
        seconds: of every measurement.
        repeats: measured ones of everything, taken in turn; one more warms up.
        captured_steps: steps in a CUDA graph.
        seed: of episodes and actions.
    """

    num_envs: Counts = (1024,)
    package: bool = True
    seconds: Positive = 1.0
    repeats: Count = 5
    captured_steps: Count = 16
    seed: Seed = 0


def compare(
    tasks: Iterable[str],
    make_timers: Callable[[str], Timers],
    columns: Columns,
    peer: str,
    options: SteppingOptions,
) -> list[dict[str, Any]]:
    """Measure tasks one after the other, each in turn with its peers, and say a line of each.

    Args:
        tasks: their names.
        make_timers: makes of a name what is measured.
        columns: of the table: the task, `num_envs`, every kind of timer, and `ratio`.
        peer: the timer that the ratio is to.
        options: of the benchmark.

    Returns:
        The lines: median rows per second, None of what was not measured; `ratio`: of the faster native one to the peer.
    """
    table = Table(columns)
    name, _, *kinds, _ = columns
    for task in tasks:
        rates = in_turn(make_timers(task), options.repeats, warm_up=1)
        for count in options.num_envs:
            found = {kind: rates.get((kind, count), rates.get((kind, None))) for kind in kinds}
            ours, theirs = found["captured"] or found["native"], found[peer]
            values = {kind: statistics.median(one) if one else None for kind, one in found.items()}
            ratio = median_ratio(ours, theirs) if ours and theirs else None
            table.add({name: task, "num_envs": count, **values, "ratio": ratio})
    return table.lines


def step_timer(env: NativeVectorEnv, options: SteppingOptions) -> Callable[[], float]:
    """Begin episodes and return what measures rows per second, step by step."""
    env.reset(options.seed)
    batches = cycle(random_actions(env, ACTIONS, options.seed))
    return partial(
        rate, lambda: env.step(next(batches)), env.num_envs, options.seconds, env.device, at_once=8
    )


def captured_timer(env: NativeVectorEnv, options: SteppingOptions) -> Callable[[], float]:
    """Return what measures rows per second of whole rollouts as a CUDA graph."""
    actions = random_actions(env, ACTIONS, options.seed)
    replay = captured_rollout(env, actions, options.captured_steps, options.seed)
    rows = env.num_envs * options.captured_steps
    return partial(rate, replay, rows, options.seconds, env.device, at_once=8)


def peer_timer(
    step: Callable[[Any], object], actions: Iterable[Any], rows: int, options: SteppingOptions
) -> Callable[[], float]:
    """Return what measures rows per second of a package's environments on the CPU.

    Args:
        step: takes an action.
        actions: drawn before; they come again and again.
        rows: of one step.
        options: of the benchmark.
    """
    again = cycle(actions)
    return partial(rate, lambda: step(next(again)), rows, options.seconds, torch.device("cpu"), at_once=8)


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
