"""The contract every memory core keeps: a sequence in, a sequence out, the carry explicit."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from tensordict import NestedKey, TensorDict
from torch import Tensor, nn

from engram.common.checked import Checked, checked
from engram.common.option_types import Size
from engram.memory_cores.boundary import CarryForm, carry_form, check_carry, check_rows, to_resets
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, begin_carry, carry_features, no_gradient_keys, state_dtype
from engram.memory_cores.memory import Memory
from engram.memory_cores.reads import Read
from engram.memory_cores.resets import Resets


class MemoryCore(Checked, nn.Module, ABC):
    """A map from sequences to sequences that keeps its state in a carry, never on the module.

    `is_first[b, t]` says that row t begins an episode of environment b. The carry is then replaced by
    the initial one *before* `x[b, t]` is consumed, by selection and never by multiplication, so that
    nothing of an earlier episode (not even a NaN) reaches past a reset. Cores reset their own carry.

    A subclass states what it carries, `carry_spec`, and its `equations`, once, for sequences and steps alike. In the
    families `ScanCore`, `LoopCore` and `CacheCore` an engine runs what goes from row to row. The options of its
    constructor are held against their annotations, in which ranges and choices stand (`engram.common.option_types`).
    """

    memory_class: ClassVar[type[Memory]] = Memory
    """What the equations are written in."""

    reads_host_resets: ClassVar[bool] = False
    """Whether its fastest way through a sequence on a device is chosen by `Resets.host`."""

    card: CoreCard | None = None
    """What it costs and when to choose it; a core with a file in `configs/core/` has one."""

    @checked
    def __init__(self, input_size: Size, output_size: Size) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        # What `initial_carry` looks like, by the parameters' dtype: a constant, kept since each call compares with it.
        self._carry_forms: dict[torch.dtype, CarryForm] = {}

    @abstractmethod
    def carry_spec(self) -> CarrySpec:
        """State the keys of the carry, and what lies under each: a `Leaf`, a core, or a mapping of these."""

    @abstractmethod
    def equations(self, x: Tensor, memory: Any) -> Tensor:
        """Map rows to outputs.

        Args:
            x: Rows, [*, input_size], where * is [B, T] in a sequence and [B] in a step.
            memory: The carry; of `memory_class`.

        Returns:
            Outputs, [*, output_size].
        """

    @property
    def carry_keys(self) -> tuple[str, ...]:
        """The keys of the carry at its top level."""
        return tuple(self.carry_spec())

    @property
    def no_gradient_keys(self) -> tuple[NestedKey, ...]:
        """The keys of the carry which take no gradient, such as flags and counters."""
        return tuple(no_gradient_keys(self.carry_spec()))

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Make the carry an episode begins with.

        Args:
            batch_size: Number of environments, B.

        Returns:
            A TensorDict of batch size [B] on the parameters' device, each key as `carry_spec` states it.
        """
        return begin_carry(self.carry_spec(), batch_size, self._reference_parameter())

    def forward(
        self, x: Tensor, carry: TensorDict, is_first: Tensor | Resets, all_carries: bool | int = False
    ) -> tuple[Tensor, TensorDict]:
        """Run a sequence of rows.

        Args:
            x: Inputs, [B, T, input_size].
            carry: The carry before row 0, batch size [B]; it is not modified.
            is_first: Whether a row begins an episode, [B, T] bool; on a device as `Resets`, if the caller has
                the flags in host memory too.
            all_carries: k returns the carries after rows k-1, 2k-1, … (True is 1) instead of the last.

        Returns:
            Outputs [B, T, output_size], and the carry after the last row, batch size [B], or with
            `all_carries=k` the carries of batch size [B, T // k].

        Raises:
            ValueError: An argument's shape, dtype or value breaks the rules above.
        """
        resets, dtype = self._check(x, carry, is_first, names=("B", "T"))
        if not isinstance(all_carries, int) or all_carries < 0:
            raise ValueError(
                f"all_carries must be a bool or a positive int k, got {all_carries!r}; "
                "pass True for every row's carry or k for every k-th."
            )
        return self._run(x, self.memory_class(self.carry_spec(), carry, resets, int(all_carries)), dtype)

    def step(
        self,
        x: Tensor,
        carry: TensorDict,
        is_first: Tensor,
        donate: bool = False,
        constants: dict[str, Any] | None = None,
    ) -> tuple[Tensor, TensorDict]:
        """Run one row: the same as a sequence of length one.

        Args:
            x: Inputs, [B, input_size].
            carry: The carry before the row, batch size [B].
            is_first: Whether the row begins an episode, [B] bool.
            donate: Allow the core to overwrite `carry`, which the caller then must not read again.
                It has an effect only where gradients are disabled.
            constants: What is computed of the parameters alone; an empty dict is filled by the first step and read by
                the next ones, between which no parameter may move. Default: None, every step computes it.

        Returns:
            Outputs [B, output_size], and the carry after the row, batch size [B].

        Raises:
            ValueError: An argument's shape or dtype breaks the rules above.
        """
        resets, dtype = self._check(x, carry, is_first, names=("B",))
        donate = donate and not torch.is_grad_enabled()
        return self._run(
            x, self.memory_class(self.carry_spec(), carry, resets, None, donate, constants), dtype
        )

    def reads(
        self, x: Tensor, carry: TensorDict, is_first: Tensor
    ) -> tuple[Tensor, TensorDict, dict[str, Read]]:
        """Run a sequence, and take apart what the memory gives by the rows it came from.

        Time and memory grow with T².

        Args:
            x: As of `forward`.
            carry: As of `forward`.
            is_first: As of `forward`.

        Returns:
            Outputs and carry as of `forward`, and by the keys of the states, joined by slashes, the `Attention` or the
            `LinearRead` of each operation that sums over past rows; nothing of cores that have none.

        Raises:
            ValueError: As of `forward`.
        """
        resets, dtype = self._check(x, carry, is_first, names=("B", "T"))
        memory = self.memory_class(self.carry_spec(), carry, resets, 0)
        memory.reads = {}
        y, after = self._run(x, memory, dtype)
        return y, after, memory.all_reads()

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the carry as real numbers, for an actor that sees the memory itself.

        Args:
            carry: A carry of batch size [...].

        Returns:
            Features, [..., n], in the order of the keys; complex numbers give their real and imaginary parts, counters
            and flags nothing.

        Raises:
            ValueError: The core has no memory to read.
        """
        features = list(carry_features(self.carry_spec(), carry))
        if not features:
            raise ValueError(
                f"carry_features needs a core with memory, and {type(self).__name__} keeps none; "
                "let the actor read the core's output instead."
            )
        return features[0] if len(features) == 1 else torch.cat(features, dim=-1)

    def carry_size(self) -> int:
        """Count the real numbers carried per environment; complex ones count 2, flags and counters 0."""
        return sum(part.shape[-1] for part in carry_features(self.carry_spec(), self.initial_carry(1)))

    def carry_bytes(self) -> int:
        """Count the bytes carried per environment, flags and counters included."""
        leaves = self.initial_carry(1).values(include_nested=True, leaves_only=True)
        return sum(leaf.numel() * leaf.element_size() for leaf in leaves)

    def _run(self, x: Tensor, memory: Memory, dtype: torch.dtype) -> tuple[Tensor, TensorDict]:
        y = self.equations(x, memory)
        # States are wider than half precision; what a core puts out is not.
        return y if dtype == state_dtype(dtype) else y.to(dtype), memory.after()

    def _reference_parameter(self) -> Tensor:
        """Return the parameter whose device and dtype the carry follows."""
        for own in self._parameters.values():
            if own is not None:
                return own
        for parameter in self.parameters():
            return parameter
        # Functional calls as TorchRL's losses make them put plain tensors where the parameters were.
        tensors = (value for module in self.modules() for value in vars(module).values())
        return next(value for value in tensors if isinstance(value, Tensor) and value.is_floating_point())

    def _check(
        self, x: Tensor, carry: TensorDict, is_first: Tensor | Resets, names: tuple[str, ...]
    ) -> tuple[Resets, torch.dtype]:
        """Check the arguments of a call; return its resets and the parameters' dtype."""
        like = self._reference_parameter()
        flags = is_first.is_first if isinstance(is_first, Resets) else is_first
        device = check_rows(x, flags, like, self.input_size, names)
        check_carry(carry, self._carry_form(like.dtype), x.shape[0], device, type(self).__name__)
        return Resets(flags) if len(names) == 1 else to_resets(is_first), like.dtype

    def _carry_form(self, dtype: torch.dtype) -> CarryForm:
        """Return what a carry must look like while the parameters are of a dtype."""
        if torch.compiler.is_compiling():
            return carry_form(self.initial_carry(1))  # costs the compiled code nothing: only its form is read
        form = self._carry_forms.get(dtype)
        if form is None:
            with torch.no_grad():
                form = self._carry_forms[dtype] = carry_form(self.initial_carry(1))
        return form
