"""What a core is given against what it takes: the checks of `forward` and `step`, in one place."""

from typing import Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.memory_cores.resets import Resets

CarryForm = dict[str, Any]
"""For each key of a carry the leaf's shape without the batch and its dtype, or the form of what is nested."""


def carry_form(carry: TensorDict) -> CarryForm:
    """Describe a carry of batch size [B]."""
    form: CarryForm = {}
    for key, value in carry.items():
        form[key] = (
            carry_form(value) if isinstance(value, TensorDict) else (tuple(value.shape[1:]), value.dtype)
        )
    return form


def check_rows(
    x: Tensor, is_first: Tensor, like: Tensor, input_size: int, names: tuple[str, ...]
) -> torch.device:
    """Refuse rows and flags that a core does not take.

    Args:
        x: Inputs, [*names, input_size].
        is_first: Whether a row begins an episode, [*names].
        like: A parameter, whose dtype and device the inputs have.
        input_size: Width of the input.
        names: Of the dimensions before it, ("B",) or ("B", "T").

    Returns:
        The device of both.

    Raises:
        ValueError: They do not fit.
    """
    for name, value in (("x", x), ("is_first", is_first)):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{name} must be a torch.Tensor, got {type(value).__name__}; the arguments are x, carry and "
                "is_first in this order, arrays go through torch.as_tensor."
            )
    rows = x.shape[:-1]
    if x.dim() != len(names) + 1 or x.shape[-1] != input_size or 0 in rows:
        raise ValueError(
            f"x must have shape [{', '.join((*names, str(input_size)))}] without empty dimensions, got "
            f"{list(x.shape)}; reshape the input or build the core with another input_size."
        )
    device = x.device
    if (x.dtype != like.dtype or device != like.device) and not (
        device == like.device and x.is_floating_point() and torch.is_autocast_enabled(device.type)
    ):
        raise ValueError(
            f"x must be {like.dtype} like the core's parameters and with them on {like.device}, got {x.dtype} on "
            f"{device}; convert the input or the core with .to(…)."
        )
    if is_first.dtype != torch.bool or is_first.shape != rows or is_first.device != device:
        raise ValueError(
            f"is_first must be bool of shape {list(rows)} on {device}, got {is_first.dtype} of shape "
            f"{list(is_first.shape)} on {is_first.device}; pass one flag for each row of x."
        )
    return device


def to_resets(is_first: Tensor | Resets) -> Resets:
    """Return what is known of checked flags: those in host memory are their own copy there.

    Raises:
        ValueError: What came with them cannot be a copy of them in host memory.
    """
    flags, host = is_first if isinstance(is_first, Resets) else (is_first, None)
    if host is None:
        return Resets(flags, flags if flags.device.type == "cpu" else None)
    if host.device.type != "cpu" or host.dtype != torch.bool or host.shape != flags.shape:
        raise ValueError(
            f"Resets.host must be a copy of is_first in host memory, bool of shape {list(flags.shape)}, got "
            f"{host.dtype} of shape {list(host.shape)} on {host.device}; pass is_first.cpu() or leave it out."
        )
    return Resets(flags, host)


def check_carry(carry: TensorDict, form: CarryForm, batch: int, device: torch.device, owner: str) -> None:
    """Refuse a carry that is not a core's own: some fast paths check no index and would read beyond it.

    Args:
        carry: What the caller gave.
        form: What the core's initial carry looks like.
        batch: Number of environments.
        device: Where the rows are.
        owner: The core's name, for the message.

    Raises:
        ValueError: The batch size, a key, or a leaf's shape, dtype or device differs; it names which.
    """
    if not isinstance(carry, TensorDictBase):
        raise ValueError(
            f"carry must be a TensorDict as {owner}.initial_carry makes it, got {type(carry).__name__}; "
            f"start from initial_carry({batch})."
        )
    if carry.batch_size != (batch,):
        raise ValueError(
            f"carry must have batch size [{batch}] like x, got {list(carry.batch_size)}; "
            f"start from initial_carry({batch}) or index both alike."
        )
    if not _fits(carry, form, batch, device):
        _refuse(carry, form, batch, device, owner, path=())


def _fits(carry: Any, form: CarryForm, batch: int, device: torch.device) -> bool:
    found = 0
    for key, value in carry.items():
        expected = form.get(key)
        if isinstance(expected, tuple):
            shape, dtype = expected
            if (
                not isinstance(value, Tensor)
                or value.dtype != dtype
                or value.device != device
                or value.shape != (batch, *shape)
            ):
                return False
        elif (
            expected is None
            or not isinstance(value, TensorDictBase)
            or not _fits(value, expected, batch, device)
        ):
            return False
        found += 1
    return found == len(form)


def _refuse(
    carry: TensorDictBase,
    form: CarryForm,
    batch: int,
    device: torch.device,
    owner: str,
    path: tuple[str, ...],
) -> None:
    """Name the first leaf of a carry that does not fit its form."""
    place = f"carry[{', '.join(map(repr, path))}]" if path else "carry"
    if set(carry.keys()) != set(form):
        raise ValueError(
            f"{place} must have the keys {sorted(form)} of {owner}, got {sorted(carry.keys())}; "
            "pass a carry which this core made."
        )
    for key, expected in form.items():
        value, leaf = carry.get(key), f"carry[{', '.join(map(repr, (*path, key)))}]"
        if isinstance(expected, dict):
            if not isinstance(value, TensorDictBase):
                raise ValueError(
                    f"{leaf} must be a TensorDict with the keys {sorted(expected)} of {owner}, got "
                    f"{type(value).__name__}; pass a carry which this core made."
                )
            _refuse(value, expected, batch, device, owner, (*path, key))
            continue
        shape, dtype = [batch, *expected[0]], expected[1]
        got = type(value).__name__
        if isinstance(value, Tensor):
            got = f"{value.dtype} of shape {list(value.shape)} on {value.device}"
            if value.shape == tuple(shape) and value.dtype == dtype and value.device == device:
                continue
        raise ValueError(
            f"{leaf} of {owner} must be {dtype} of shape {shape} on {device}, got {got}; pass a carry which this "
            f"core made, or start from initial_carry({batch})."
        )
