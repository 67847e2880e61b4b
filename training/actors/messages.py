"""What the learner and its actors send each other: nested dicts of NumPy arrays, which travel without a copy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.common.rows import Rollout

Packed = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """A rollout that the learner asks an actor for.

    Attributes:
        number: of the rollout among the actor's, from the beginning of the run or, where that is not counted, of the
            process: with the actor's own number its key.
        version: of the parameters to act with: rollouts that the learner had learnt from.
        env_steps: that the learner had learnt from.
        length: rows T.
    """

    number: int
    version: int
    env_steps: int
    length: int


def pack(value: Any) -> Any:
    """Turn tensors and TensorDicts in nested mappings into arrays, all else stays; bfloat16 goes by its bits."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu().contiguous()
        if tensor.dtype == torch.bfloat16:
            return {"bfloat16": tensor.view(torch.int16).numpy()}
        return tensor.numpy()
    if isinstance(value, TensorDictBase):
        return {key: pack(part) for key, part in value.items()}
    if isinstance(value, Mapping):
        return {key: pack(part) for key, part in value.items()}
    return value


def unpack(value: Any) -> Any:
    """Turn what `pack` made into tensors of its own, which may be written to."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        if value.keys() == {"bfloat16"}:
            return unpack(value["bfloat16"]).view(torch.bfloat16)
        return {key: unpack(part) for key, part in value.items()}
    return value


def join(parts: Sequence[Packed]) -> Packed:
    """Put packed tensors of several actors together, the environments of one after those of the other.

    What comes is new: arrays that another process holds too are not to be written to.
    """
    first = parts[0]
    return {
        key: join([part[key] for part in parts])
        if isinstance(value, Mapping)
        else np.concatenate([part[key] for part in parts])
        for key, value in first.items()
    }


def tensors(packed: Packed, *batch_size: int) -> TensorDict:
    """Make a TensorDict of joined arrays, which it takes over."""
    return TensorDict(_taken_over(packed), batch_size=list(batch_size))


def _taken_over(packed: Packed) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in packed.items():
        if isinstance(value, Mapping) and value.keys() == {"bfloat16"}:
            made[key] = torch.from_numpy(value["bfloat16"]).view(torch.bfloat16)
        elif isinstance(value, Mapping):
            made[key] = _taken_over(dict(value))
        else:
            made[key] = torch.from_numpy(value)
    return made


def pack_rollout(rollout: Rollout) -> Packed:
    """Turn a rollout into what an actor sends of it."""
    return {
        "rows": pack(rollout.rows),
        "carries": pack(rollout.carries),
        "pending": pack(rollout.pending),
        "pending_carry": pack(rollout.pending_carry),
        "reports": pack(dict(rollout.reports)),
        "episodes": dict(rollout.episodes),
    }


def join_rollouts(parts: Sequence[Packed], device: torch.device) -> Rollout:
    """Make one rollout of those of several actors, each of as many environments, in the order given.

    Args:
        parts: of `pack_rollout`.
        device: where its tensors go.
    """
    arrays = ("rows", "carries", "pending", "pending_carry")
    joined = {name: join([part[name] for part in parts]) for name in arrays}
    num_envs, length = joined["rows"]["reward"].shape
    num_carries = joined["carries"]["noise_key"].shape[1]  # every carry has its stream of noise
    sizes = {"rows": (num_envs, length), "carries": (num_envs, num_carries)}
    made = {name: tensors(joined[name], *sizes.get(name, (num_envs,))).to(device) for name in arrays}
    names = dict.fromkeys(name for part in parts for name in part["episodes"])
    reports = dict.fromkeys(name for part in parts for name in part["reports"])
    return Rollout(
        made["rows"],
        made["carries"],
        made["pending"],
        made["pending_carry"],
        episodes={name: [one for part in parts for one in part["episodes"].get(name, [])] for name in names},
        reports={name: torch.from_numpy(_report(name, parts)).to(device) for name in reports},
    )


def _report(name: str, parts: Sequence[Packed]) -> np.ndarray:
    """A report of all environments, NaN for those of an actor that has none of this name."""
    shapes = [part["rows"]["reward"].shape for part in parts]
    found = [
        part["reports"].get(name, np.full(shape, np.nan, np.float32))
        for part, shape in zip(parts, shapes, strict=True)
    ]
    return np.concatenate(found)
