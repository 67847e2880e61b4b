"""Small cores of every configuration, and the random inputs the contract is tried on."""

from typing import Any

import torch
from small_cores import NAMES as NAMES
from small_cores import make_small
from tensordict import TensorDict
from torch import Tensor

from engram import memory_cores

MEMORY = [name for name in NAMES if name not in ("mlp", "pos_mlp")]
INPUT_SIZE = 5
BATCH = 3
LENGTH = 9


def make(
    name: str, dtype: torch.dtype = torch.float64, seed: int = 0, **overrides: Any
) -> memory_cores.MemoryCore:
    # Stores let gradients in, so that there are such to be checked.
    make_core = make_small(name, **({"stop_gradient": False} | overrides))
    torch.manual_seed(seed)
    return make_core(input_size=INPUT_SIZE).to(dtype)


def is_number(leaf: Tensor) -> bool:
    """Whether a leaf of a carry holds numbers, not flags, positions or counters."""
    return leaf.is_floating_point() or leaf.is_complex()


def random_carry(core: memory_cores.MemoryCore, batch: int = BATCH, seed: int = 1) -> TensorDict:
    """A carry after some rows: its flags and counters as they then are, its numbers drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    like = next(core.parameters())
    x = torch.randn(batch, 30, INPUT_SIZE, dtype=like.dtype, generator=generator)
    is_first = torch.rand(batch, 30, generator=generator) < 0.08
    with torch.no_grad():
        _, carry = core(x, core.initial_carry(batch), is_first)
    torch.manual_seed(seed)
    return carry.apply(lambda leaf: torch.randn_like(leaf) if is_number(leaf) else leaf)


def random_rows(dtype: torch.dtype = torch.float64, length: int = LENGTH, seed: int = 2) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(BATCH, length, INPUT_SIZE, dtype=dtype)


def flags(kind: str, length: int = LENGTH) -> Tensor:
    """Episode beginnings, [BATCH, length]; the kinds are what resets get wrong."""
    is_first = torch.zeros(BATCH, length, dtype=torch.bool)
    if kind == "edges":
        is_first[0, [0, -1]] = True
        is_first[1, 3:6] = True
    elif kind == "together":
        is_first[:, length // 2] = True
    elif kind == "everywhere":
        is_first[:] = True
    elif kind == "random":
        is_first = torch.rand(BATCH, length, generator=torch.Generator().manual_seed(3)) < 0.3
    else:
        assert kind == "none"
    return is_first


KINDS = ["none", "edges", "together", "everywhere", "random"]


def leaves(carry: TensorDict) -> dict[Any, Tensor]:
    return dict(carry.items(include_nested=True, leaves_only=True))


def gradient_keys(core: memory_cores.MemoryCore, carry: TensorDict) -> list[Any]:
    return [key for key in leaves(carry) if key not in core.no_gradient_keys]


def requires_grad(core: memory_cores.MemoryCore, carry: TensorDict) -> TensorDict:
    """A copy of the carry whose leaves ask for a gradient, but those that take none."""
    copy = carry.clone()
    for key in gradient_keys(core, carry):
        copy[key].requires_grad_()
    return copy


def run_steps(
    core: memory_cores.MemoryCore,
    x: Tensor,
    carry: TensorDict,
    is_first: Tensor,
    donate: bool = False,
    constants: dict[str, Any] | None = None,
) -> tuple[Tensor, TensorDict, list[TensorDict]]:
    """Outputs of repeated steps [B, T, ...], the last carry, and a copy of the carry after every row."""
    outputs, carries = [], []
    for t in range(x.shape[1]):
        y, carry = core.step(x[:, t], carry, is_first[:, t], donate=donate, constants=constants)
        outputs.append(y)
        carries.append(carry.clone())
    return torch.stack(outputs, dim=1), carry, carries


def assert_same_carry(actual: TensorDict, expected: TensorDict, **tolerance: float) -> None:
    assert actual.batch_size == expected.batch_size
    assert list(leaves(actual)) == list(leaves(expected))
    for key, leaf in leaves(actual).items():
        torch.testing.assert_close(
            leaf, expected[key], msg=lambda text, key=key: f"{key}: {text}", **tolerance
        )


def weighted_sum(y: Tensor, carry: TensorDict, seed: int = 4) -> Tensor:
    """A scalar that every output and every number of the carry moves, alike on every device."""
    generator = torch.Generator().manual_seed(seed)

    def weigh(leaf: Tensor) -> Tensor:
        weight = torch.randn(leaf.shape, dtype=leaf.dtype, generator=generator).to(leaf.device)
        return (leaf * weight).real.sum()

    total = weigh(y)
    for leaf in leaves(carry).values():
        if is_number(leaf):
            total = total + weigh(leaf)
    return total


def assert_mostly_close(actual: Tensor, expected: Tensor) -> None:
    """Near the exact rows, but for one number in fifty: a norm enlarges what by chance is read as nearly zero."""
    is_close = torch.isclose(actual.float(), expected, rtol=0.1, atol=0.1)
    assert is_close.float().mean() > 0.98, (actual - expected).abs().max()
