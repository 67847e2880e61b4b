"""Editing the leaves of a stored state, as somebody would who also writes a new checksum."""

import copy
import math

import torch

WORDS = (
    None,
    True,
    -1,
    0,
    3,
    2**31,
    10**30,
    -(2**63),
    0.5,
    math.nan,
    math.inf,
    "",
    "x",
    [],
    [1, 2],
    {},
    {"a": 1},
)


def leaves(node, path=()):
    """The places of all values in a nesting, the dicts and lists themselves included; of a list's parts the first."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node[:2]):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


def value_at(state, path):
    for key in path:
        state = state[key]
    return state


def edited_tensor(tensor, number):
    """One of a dozen edits of a tensor: its shape, its dtype, or its numbers."""
    flat = tensor.flatten()
    numeric = tensor.clone() if tensor.dtype != torch.bool else tensor.to(torch.uint8)
    edits = (
        lambda: tensor[..., None],
        lambda: flat[:-1] if tensor.numel() else torch.zeros(3),
        lambda: torch.cat([flat, flat, flat[:1]]),
        lambda: tensor.double(),
        lambda: tensor.to(torch.int64) if tensor.dtype != torch.int64 else tensor.to(torch.int32),
        lambda: tensor.to(torch.bool) if tensor.dtype != torch.bool else tensor.float(),
        lambda: torch.zeros(0),
        lambda: numeric.fill_(math.nan) if tensor.is_floating_point() else numeric.fill_(-1 % 256),
        lambda: numeric.fill_(math.inf) if tensor.is_floating_point() else numeric * 0 + 117,
        lambda: numeric.fill_(-1e30) if tensor.is_floating_point() else numeric - 3,
        lambda: numeric * 0,
        lambda: torch.full_like(tensor, 1),
        lambda: tensor.tolist(),
        lambda: 7,
    )
    return edits[number % len(edits)]()


def edited(state, generator):
    """A copy of a state with one edit at a random place; and the place, in words.

    Args:
        state: nested dicts and lists of tensors and JSON values.
        generator: a `random.Random`.
    """
    state = copy.deepcopy(state)
    path = generator.choice(list(leaves(state)))
    parent, key = value_at(state, path[:-1]), path[-1]
    way = generator.choice(["value", "value", "value", "value", "remove", "add", "rename"])
    if way == "remove":
        del parent[key]
    elif way == "rename" and isinstance(parent, dict):
        parent[f"{key}_"] = parent.pop(key)
    elif way == "add" and isinstance(parent, dict):
        parent["more"] = generator.choice(WORDS)
    elif isinstance(parent[key], torch.Tensor):
        parent[key] = edited_tensor(parent[key], generator.randrange(14))
    else:
        parent[key] = copy.deepcopy(generator.choice(WORDS))
    return (
        state,
        f"{way} at {'/'.join(map(str, path))}: {parent.get(key) if isinstance(parent, dict) else parent}",
    )
