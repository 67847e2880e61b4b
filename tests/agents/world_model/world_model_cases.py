"""Small world-model agents on any core, and random rows of any space to try them on."""

import numpy as np
import torch
from gymnasium import spaces
from small_cores import make_small
from tensordict import TensorDict

from engram.agents import Dreamer
from engram.agents.replay import Batch

SMALL = {
    "memory_size": 6,
    "units": 8,
    "num_layers": 1,
    "num_categoricals": 3,
    "num_classes": 4,
    "image_depth": 2,
}
SMALL |= {
    "imagination_horizon": 3,
    "batch_size": 4,
    "batch_length": 12,
    "imagine_every": 4,
    "actor_reads": ("h", "z"),
    "precision": "float32",
}
SYMBOLS = spaces.Discrete(5)
VECTOR = spaces.Box(-np.inf, np.inf, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (16, 16, 3), np.uint8)
MIXED = spaces.Dict(
    {
        "image": IMAGE,
        "vector": VECTOR,
        "pair": spaces.Tuple((SYMBOLS, spaces.MultiDiscrete([2, 3]))),
        "bits": spaces.MultiBinary(4),
    }
)
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "multi": spaces.MultiDiscrete([2, 3]),
    "box": spaces.Box(-2.0, 2.0, (2,), np.float32),
}


def make_agent(core="gru", obs=SYMBOLS, action=ACTIONS["discrete"], **options):
    return Dreamer(obs, action, make_small(core), **{**SMALL, **options})


def _sample(space, shape, generator):
    """Random values of an elementary or nested space, `[*shape, …]`."""
    if isinstance(space, spaces.Dict):
        parts = {key: _sample(part, shape, generator) for key, part in space.spaces.items()}
        return TensorDict(parts, batch_size=shape)
    if isinstance(space, spaces.Tuple):
        parts = {str(i): _sample(part, shape, generator) for i, part in enumerate(space.spaces)}
        return TensorDict(parts, batch_size=shape)
    if isinstance(space, spaces.Discrete):
        return torch.randint(int(space.n), shape, generator=generator)
    if isinstance(space, spaces.MultiDiscrete):
        return torch.stack([torch.randint(int(n), shape, generator=generator) for n in space.nvec], -1)
    if isinstance(space, spaces.MultiBinary):
        return torch.randint(2, (*shape, space.n), generator=generator).to(torch.int8)
    if space.dtype == np.uint8:
        return torch.randint(256, (*shape, *space.shape), generator=generator).to(torch.uint8)
    return torch.randn(*shape, *space.shape, generator=generator)


def make_rows(agent, batch=4, length=12, starts=(0, 7), seed=0):
    """Random rows `[batch, length]` whose episodes begin at the rows `starts`."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, length)
    is_first = torch.zeros(shape, dtype=torch.bool)
    is_first[:, list(starts)] = True
    is_last = torch.zeros_like(is_first)
    is_last[:, :-1] = is_first[:, 1:]
    zero = (~is_first).view(*shape, *[1] * len(agent.action_space.shape or ()))
    return TensorDict(
        {
            "obs": _sample(agent.observation_space, shape, generator),
            "reward": torch.randn(shape, generator=generator) * ~is_first,
            "prev_action": _sample(agent.action_space, shape, generator) * zero,
            "action": _sample(agent.action_space, shape, generator),
            "is_first": is_first,
            "is_last": is_last,
            "is_terminal": is_last & (torch.rand(shape, generator=generator) < 0.5),
        },
        batch_size=shape,
    )


def make_batch(agent, rows=None, **options):
    rows = make_rows(agent, **options) if rows is None else rows
    trained = torch.ones(rows.batch_size, dtype=torch.bool)
    return Batch(rows, agent.initial_carry(len(rows)), trained)


def scramble(module, seed=0):
    """Draw all parameters anew, so that nothing is at a symmetric beginning."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
