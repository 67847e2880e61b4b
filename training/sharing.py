"""What of a run each of its processes has: a device, and some of the environments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.agents.base import Agent
from engram.common.errors import RankLostError, UsageError
from engram.common.ranks import Ranks
from engram.envs.divided import joined
from engram.envs.given import GivenEnv
from engram.training.drivers import AnyDriver
from engram.training.faults import standing


def own_options(config: Mapping[str, Any], ranks: Ranks) -> dict[str, Any]:
    """Say what a process trains with: the run's options, and of several CUDA devices its own.

    Args:
        config: of the run.
        ranks: its processes.

    Raises:
        ValueError: if they cannot share the run.
    """
    if not ranks.is_many:
        return dict(config)
    num_envs, device = config["num_envs"], config["device"]
    if num_envs % ranks.count:
        near = max(1, round(num_envs / ranks.count)) * ranks.count
        raise ValueError(
            f"All processes of a run have as many environments: expected num_envs to be a multiple of {ranks.count}, "
            f"but got {num_envs}; set num_envs={near}."
        )
    if device == "cpu":
        return dict(config)
    if device != "cuda":
        raise ValueError(
            f"Every process of a run has a device of its own: expected device=cpu or device=cuda, but got {device!r}; "
            "give one of these."
        )
    count = torch.cuda.device_count()
    if ranks.local_rank >= count:
        raise ValueError(
            f"Every process of a run has a device of its own, but this machine has {count} for process "
            f"{ranks.local_rank + 1} on it; start as many processes as there are devices, or set device=cpu."
        )
    torch.cuda.set_device(ranks.local_rank)
    return {**config, "device": f"cuda:{ranks.local_rank}"}


def check_shared(ranks: Ranks, given: GivenEnv | None) -> None:
    """Refuse what processes cannot share.

    Raises:
        ValueError: says what.
    """
    if ranks.is_many and given is not None:
        raise ValueError(
            "Processes share a run of environments that each of them can build, but one was given as an object or a "
            "function; name it by env=…, or train it in one process."
        )


def whole_state(driver: AnyDriver, ranks: Ranks) -> dict[str, Any]:
    """Return the state of all processes' drivers as that of one, to the leader; the others get their own."""
    state = driver.state_dict()
    if not ranks.is_many:
        return state
    found = ranks.collect_at_leader(_on_host(state))
    return joined(found) if ranks.is_leader else state


def check_same(agent: Agent, ranks: Ranks) -> None:
    """Hold the parameters of all processes against each other, and all else in their networks: to the bit.

    Raises:
        RuntimeError: if they have come apart, which nothing that is written here lets them.
    """
    if not ranks.is_many:
        return
    digest = hashlib.blake2b(digest_size=8)
    for network in agent.networks.values():
        for tensor in network.state_dict().values():
            digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    found = ranks.collect(digest.hexdigest())
    if len(set(found)) > 1:
        raise RuntimeError(
            f"All processes of a run have the same parameters, but their digests are {', '.join(found)}; go on from "
            "the last checkpoint, where they had."
        )


def _on_host(state: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the tensors of a state to host memory."""
    return {
        key: _on_host(value)
        if isinstance(value, Mapping)
        else (value.cpu() if isinstance(value, Tensor) else value)
        for key, value in state.items()
    }


@contextmanager
def faults_of_ranks(ranks: Ranks, run_dir: Path, command: str) -> Iterator[None]:
    """Mark the block in which processes train together: where one of them is gone, all of them end.

    Args:
        ranks: the processes.
        run_dir: the run's folder.
        command: continues the run.

    Raises:
        UsageError: in place of a `RankLostError`.
    """
    try:
        yield
    except RankLostError as error:
        raise UsageError(
            f"All {ranks.count} processes of a run are there to its end, but one is gone or does not answer; "
            f"{standing(run_dir)}; go on, with as many processes or others, with: {command}"
        ) from error
