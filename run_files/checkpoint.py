"""Checkpoints: written whole or not at all, verified when read, never executing code.

On disk a checkpoint is one safetensors file. Its tensors are the state's tensors under flat names
(`agent/network/core.weight`), its header holds the rest of the state as JSON, the number of this format, the version
that wrote it, and a checksum of everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from tensordict import TensorDictBase
from torch import Tensor

from engram.run_files.checkpoint_header import (
    DamagedCheckpointError,
    LaterFormatError,
    check_format,
    make_header,
    parsed,
    signed,
    words,
)
from engram.run_files.plain_files import new_file

State = dict[str, Any]
Check = Callable[[State, Path], None]
_SEPARATOR = "/"
# What a damaged file makes its reader say.
_UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)


def flatten_state(state: State) -> tuple[dict[str, Tensor], State]:
    """Part a state into its tensors and its JSON values.

    Args:
        state: nested dicts (or TensorDicts) whose leaves are tensors or JSON values.

    Returns:
        Tensors by flat name, and the same nesting with only the JSON values in it.
    """
    tensors: dict[str, Tensor] = {}

    def part(node: Any, prefix: str) -> Any:
        if isinstance(node, TensorDictBase):
            node = dict(node.items())
        if not isinstance(node, dict):
            return node
        values = {}
        for key, value in node.items():
            name = prefix + _escape(key)
            if isinstance(value, Tensor):
                tensors[name] = value.detach()
            else:
                values[key] = part(value, name + _SEPARATOR)
        return values

    return tensors, part(state, "")


def unflatten_state(tensors: dict[str, Tensor], values: State) -> State:
    """Put the tensors back where they were: the inverse of `flatten_state`.

    Raises:
        ValueError: if a tensor's name is that of a value or of another tensor's folder.
    """
    for name, tensor in tensors.items():
        *path, key = map(_unescape, name.split(_SEPARATOR))
        node = values
        for step in path:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise ValueError(f"{name!r} lies in what is no folder")
        if key in node:
            raise ValueError(f"{name!r} is there twice")
        node[key] = tensor
    return values


def save_checkpoint(path: Path, state: State, keep_previous: bool = False) -> None:
    """Write a checkpoint by a temporary file, fsync and rename.

    Args:
        path: the file; a file of that name is replaced in one step.
        state: see `flatten_state`.
        keep_previous: keep the file that is replaced as `<name>.previous<suffix>`.
    """
    tensors, values = flatten_state(state)
    tensors = {name: _packed(tensor) for name, tensor in tensors.items()}
    text = json.dumps(values)
    header = make_header(text)
    content = save(tensors, metadata={**header, "checksum": _checksum(tensors, signed(header))})
    temporary = path.with_name(path.name + ".tmp")
    with new_file(temporary) as file:
        file.write(content)
    if keep_previous and path.exists():
        path.replace(previous_path(path))
    temporary.replace(path)
    _sync_directory(path.parent)


def load_checkpoint(path: Path, device: str | torch.device = "cpu", *, check: Check | None = None) -> State:
    """Read and verify one checkpoint.

    Args:
        path: the file.
        device: where the tensors go.
        check: is given the state and the file; may refuse it.

    Returns:
        The state as it was saved.

    Raises:
        FileNotFoundError: if there is no such file.
        DamagedCheckpointError: if it is not whole.
        ValueError: if a later version wrote it, or as `check` raises.
    """
    if not path.exists():
        raise FileNotFoundError(f"A checkpoint was expected at {path}, but there is no such file.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        check_format(path, header)
        is_whole = header.get("checksum") == _checksum(tensors, signed(header))
    except _UNREADABLE as error:
        if isinstance(error, LaterFormatError):
            raise
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged: {words(error)}.") from error
    if not is_whole:
        raise DamagedCheckpointError(
            f"The checkpoint {path} is damaged: its checksum does not fit its content."
        )
    values = parsed(path, header)
    try:
        state = unflatten_state({name: tensor.to(device) for name, tensor in tensors.items()}, values)
    except ValueError as error:
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged: {words(error)}.") from error
    if check is not None:
        check(state, path)
    return state


def read_values(path: Path) -> State:
    """Read a checkpoint's JSON values alone: fast, and without verifying its tensors.

    Args:
        path: the file.

    Returns:
        The nesting of the state that was saved, without its tensors.

    Raises:
        FileNotFoundError: if there is no such file.
        DamagedCheckpointError: if its header cannot be read.
        ValueError: if a later version wrote it.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged: {words(error)}.") from error
    check_format(path, header)
    return parsed(path, header)


def load_latest(
    path: Path,
    device: str | torch.device = "cpu",
    set_aside: bool = False,
    *,
    check: Check | None = None,
) -> State:
    """Read `path`, or the checkpoint before it if `path` is missing or damaged.

    Args:
        path: the file.
        device: where the tensors go.
        set_aside: rename a damaged file, so that the next one saved does not push it over the previous one.
        check: is given the state that is used, and the file it is from; may refuse it before anything is renamed.

    Returns:
        The state as it was saved.

    Raises:
        FileNotFoundError: if there is neither.
        DamagedCheckpointError: if none is whole.
        ValueError: if a later version wrote it, or as `check` raises.
    """
    candidates = [candidate for candidate in (path, previous_path(path)) if candidate.exists()]
    if not candidates:
        raise FileNotFoundError(
            f"A run is continued from its last checkpoint, but neither {path} nor the one before it exists; put it "
            "back, or start the run again in another folder."
        )
    failures = [] if path.exists() else [f"The checkpoint {path} is missing."]
    for candidate in candidates:
        try:
            state = load_checkpoint(candidate, device, check=check)
        except DamagedCheckpointError as error:
            failures.append(str(error))
            continue
        if failures:
            warnings.warn(f"{failures[0]} The previous one is used.", stacklevel=2)
            if set_aside and path.exists():
                path.replace(path.with_suffix(".damaged" + path.suffix))
        return state
    raise DamagedCheckpointError(f"{' '.join(failures)} Nothing is left to go on from; start the run again.")


def has_checkpoint(path: Path) -> bool:
    """Whether `path` or the checkpoint before it is there: between two renames only the latter is."""
    return path.exists() or previous_path(path).exists()


def previous_path(path: Path) -> Path:
    """Name of the checkpoint that `path` replaced."""
    return path.with_suffix(".previous" + path.suffix)


def _escape(key: str) -> str:
    """A key as a part of a flat name; an observation's keys are the user's and may hold the separator."""
    return key.replace("%", "%25").replace(_SEPARATOR, "%2F")


def _unescape(part: str) -> str:
    return part.replace("%2F", _SEPARATOR).replace("%25", "%")


def _packed(tensor: Tensor) -> Tensor:
    """Copy a tensor to the CPU with the strides that its shape alone gives.

    `contiguous` and `clone` keep any stride of a dimension of size 1, which a view as bytes refuses; safetensors wants
    tensors that share no memory.
    """
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor)


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for piece in _pieces(tensors):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(tensors: dict[str, Tensor]) -> Iterator[bytes | memoryview]:
    for name in sorted(tensors):
        tensor = tensors[name]
        yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
        yield tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b""


def _sync_directory(directory: Path) -> None:
    """Make the renames themselves durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
