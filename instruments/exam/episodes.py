"""Episodes of a native task, played by a script of actions: what a model learns from, and what it is examined with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.rows import stack_time
from engram.common.streams import stream_key
from engram.envs.native import NativeVectorEnv

Facts = Callable[[NativeVectorEnv], dict[str, Tensor]]


class Episodes(NamedTuple):
    """The first T rows of N episodes.

    Attributes:
        rows: `[N, T]`, with the `action` that was taken.
        facts: what the task knows and no row shows, by name, `[N, T, ...]`.
    """

    rows: TensorDict
    facts: dict[str, Tensor]


def play_script(env: NativeVectorEnv, actions: Tensor, seed: int, facts: Facts) -> Episodes:
    """Play the first rows of episodes by given actions.

    Args:
        env: environments, which are reset as often as it takes.
        actions: int64 `[N, T]`, N a multiple of the environments' number.
        seed: of the episodes.
        facts: what to note of the environments at every row, by name `[num_envs, ...]`.
    """
    played: list[TensorDict] = []
    noted: list[TensorDict] = []
    for number, script in enumerate(actions.split(env.num_envs)):
        row, rows, seen = env.reset(stream_key(seed, "exam", number)), [], []
        for action in script.unbind(1):
            seen.append(TensorDict(facts(env), batch_size=[env.num_envs]))
            rows.append(row.clone().set("action", action))
            row = env.step(action)
        played.append(stack_time(rows))
        noted.append(stack_time(seen))
    names = noted[0].keys()
    return Episodes(torch.cat(played), {name: torch.cat([one[name] for one in noted]) for name in names})
