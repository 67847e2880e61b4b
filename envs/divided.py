"""The states of drivers that each have some of a run's environments, as the state of one that has all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Any]


def joined(states: Sequence[State]) -> dict[str, Any]:
    """Put states together; the environments of the second come after those of the first.

    Args:
        states: as of `Driver.state_dict`: what is a tensor in them has a row for each environment, or rows for each,
            one after the other.
    """
    return {key: _joined(key, [state[key] for state in states]) for key in states[0]}


def _joined(key: str, values: Sequence[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.cat(list(values))
    if isinstance(values[0], Mapping):
        return joined(values)
    return sum(values) if key == "num_envs" else values[0]


def part_of(state: State, envs: slice) -> dict[str, Any]:
    """Take some environments out of a state; the inverse of `joined`. What is none of these states stays as it is.

    Args:
        state: of all environments.
        envs: first one, and the one after the last.
    """
    return {key: _part(key, value, envs) for key, value in state.items()}


def _part(key: str, value: Any, envs: slice) -> Any:
    if isinstance(value, Tensor):
        return value[envs] if value.ndim else value
    if isinstance(value, Mapping):
        return _part_of_log(value, envs) if key == "log" else part_of(value, envs)
    if key == "env_index_offset" and isinstance(value, int):
        return value + envs.start
    return envs.stop - envs.start if key == "num_envs" else value


def _part_of_log(log: State, envs: slice) -> dict[str, Any]:
    """The same of an `EpisodeLog`, whose actions are as many for each environment as its `lengths` say."""
    part = part_of({key: value for key, value in log.items() if key != "actions"}, envs)
    if "actions" in log and isinstance(log.get("lengths"), Tensor):
        ends = [0, *log["lengths"].cumsum(0).tolist()]
        part["actions"] = log["actions"][
            ends[min(envs.start, len(ends) - 1)] : ends[min(envs.stop, len(ends) - 1)]
        ]
    return part
