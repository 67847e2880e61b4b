"""Residual layers of any core; a core itself."""

from collections.abc import Callable, Iterator

import torch
from tensordict import TensorDict
from torch import Tensor, nn

from memory_cores.base import MemoryCore, positive_int
from memory_cores.card import CoreCard


class Stack(MemoryCore):
    """`num_layers` cores of equal width, each u + core(LayerNorm(u)).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        make_layer: Makes a core from `input_size`; its output must be `hidden_size` wide.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of cores. Default: 2.
    """

    card = CoreCard(
        family="other",
        step_cost="L times its core's, L layers",
        training_cost="L times its core's",
        horizon="its core's",
        choose_when=(
            "Depth for a core that has a single layer, with the residual connections and norms that make it "
            "train. Not for S5, which has layers of its own."
        ),
    )

    def __init__(
        self,
        input_size: int,
        make_layer: Callable[..., MemoryCore],
        hidden_size: int = 256,
        num_layers: int = 2,
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        self.embed = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        count = positive_int("num_layers", num_layers)
        cores = [make_layer(input_size=hidden_size) for _ in range(count)]
        if cores[0].output_size != hidden_size:
            raise ValueError(
                f"make_layer must make cores with an output of hidden_size {hidden_size}, got "
                f"{cores[0].output_size}; give both the same hidden_size."
            )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in cores)
        self.cores = nn.ModuleList(cores)
        self.carry_keys = tuple(f"layer_{index}" for index in range(count))
        self.no_gradient_keys = tuple(
            (key, *(inner if isinstance(inner, tuple) else (inner,)))
            for key, core in zip(self.carry_keys, cores, strict=True)
            for inner in core.no_gradient_keys
        )

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return the layers' carries under `layer_0`, `layer_1`, …."""
        carries = {key: core.initial_carry(batch_size) for key, _, core in self._layers()}
        return TensorDict(carries, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the features of all layers one after the other, [..., n]."""
        return torch.cat([core.carry_features(carry[key]) for key, _, core in self._layers()], dim=-1)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        u, carries = self.embed(x), {}
        for key, norm, core in self._layers():
            y, carries[key] = core(norm(u), carry[key], is_first, every, host_is_first)
            u = u + y
        return u, TensorDict(carries, batch_size=carries[key].batch_size)

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        u, carries = self.embed(x), {}
        for key, norm, core in self._layers():
            y, carries[key] = core.step(norm(u), carry[key], is_first, donate)
            u = u + y
        return u, TensorDict(carries, batch_size=carry.batch_size)

    def _layers(self) -> Iterator[tuple[str, nn.Module, MemoryCore]]:
        for key, norm, core in zip(self.carry_keys, self.norms, self.cores, strict=True):
            assert isinstance(core, MemoryCore)
            yield key, norm, core
