"""The contract every memory core keeps: a sequence in, a sequence out, the carry explicit."""

from abc import ABC, abstractmethod
from math import prod

import torch
from tensordict import NestedKey, TensorDict
from torch import Tensor, nn

from memory_cores.boundary import CarryForm, carry_form, check_carry, check_host, check_rows
from memory_cores.card import CoreCard

# Of a size: the bytes of a matrix with so many rows and columns can still be counted.
_MOST = 2**28


class MemoryCore(nn.Module, ABC):
    """A map from sequences to sequences that keeps its state in a carry, never on the module.

    `is_first[b, t]` says that row t begins an episode of environment b. The carry is then replaced by
    the initial one *before* `x[b, t]` is consumed, by selection and never by multiplication, so that
    nothing of an earlier episode (not even a NaN) reaches past a reset. Cores reset their own carry.

    A subclass sets `carry_keys`, and implements `initial_carry`, `_sequence` and `_step`.
    """

    carry_keys: tuple[str, ...] = ()
    """The keys of the carry at its top level."""

    no_gradient_keys: tuple[NestedKey, ...] = ()
    """The keys of the carry which take no gradient, such as flags and counters."""

    card: CoreCard | None = None
    """What it costs and when to choose it; a core with a file in `configs/core/` has one."""

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.input_size = positive_int("input_size", input_size)
        self.output_size = positive_int("output_size", output_size)
        # What `initial_carry` looks like, by the parameters' dtype: a constant, kept since each call compares with it.
        self._carry_forms: dict[torch.dtype, CarryForm] = {}

    @abstractmethod
    def initial_carry(self, batch_size: int) -> TensorDict:
        """Make the carry an episode begins with.

        Args:
            batch_size: Number of environments, B.

        Returns:
            A TensorDict of batch size [B] on the parameters' device and in their dtype; what is summed up from row
            to row in float32 at least (see `state_dtype`).
        """

    def forward(
        self,
        x: Tensor,
        carry: TensorDict,
        is_first: Tensor,
        all_carries: bool | int = False,
        host_is_first: Tensor | None = None,
    ) -> tuple[Tensor, TensorDict]:
        """Run a sequence of rows.

        Args:
            x: Inputs, [B, T, input_size].
            carry: The carry before row 0, batch size [B]; it is not modified.
            is_first: Whether a row begins an episode, [B, T] bool.
            all_carries: k returns the carries after rows k-1, 2k-1, … (True is 1) instead of the last.
            host_is_first: `is_first` in host memory, if the caller has it there. On a device it lets a core
                choose its fastest path by where the resets are, without waiting for the device.

        Returns:
            Outputs [B, T, output_size], and the carry after the last row, batch size [B], or with
            `all_carries=k` the carries of batch size [B, T // k].

        Raises:
            ValueError: An argument's shape, dtype or value breaks the rules above.
        """
        self._check(x, carry, is_first, names=("B", "T"))
        if not isinstance(all_carries, int) or all_carries < 0:
            raise ValueError(
                f"all_carries must be a bool or a positive int k, got {all_carries!r}; "
                "pass True for every row's carry or k for every k-th."
            )
        if host_is_first is None and is_first.device.type == "cpu":
            host_is_first = is_first
        elif host_is_first is not None:
            check_host(host_is_first, is_first)
        return self._sequence(x, carry, is_first, int(all_carries), host_is_first)

    def step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool = False
    ) -> tuple[Tensor, TensorDict]:
        """Run one row: the same as a sequence of length one.

        Args:
            x: Inputs, [B, input_size].
            carry: The carry before the row, batch size [B].
            is_first: Whether the row begins an episode, [B] bool.
            donate: Allow the core to overwrite `carry`, which the caller then must not read again.
                It has an effect only where gradients are disabled.

        Returns:
            Outputs [B, output_size], and the carry after the row, batch size [B].

        Raises:
            ValueError: An argument's shape or dtype breaks the rules above.
        """
        self._check(x, carry, is_first, names=("B",))
        return self._step(x, carry, is_first, donate and not torch.is_grad_enabled())

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the carry as real numbers, for an actor that sees the memory itself.

        Args:
            carry: A carry of batch size [...].

        Returns:
            Features, [..., n]; complex numbers give their real and imaginary parts.

        Raises:
            ValueError: The core has no memory to read.
        """
        raise ValueError(
            f"carry_features needs a core with memory, and {type(self).__name__} keeps none; "
            "let the actor read the core's output instead."
        )

    def carry_size(self) -> int:
        """Count the real numbers carried per environment; complex ones count 2, flags and counters 0."""
        leaves = self.initial_carry(1).values(include_nested=True, leaves_only=True)
        return sum(
            leaf.numel() * (2 if leaf.is_complex() else 1)
            for leaf in leaves
            if leaf.is_floating_point() or leaf.is_complex()
        )

    @abstractmethod
    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        """Do the work of `forward` on checked arguments; `every` is 0 for the last carry alone.

        `host_is_first` is None only if `is_first` is on a device and the caller gave no copy.
        """

    @abstractmethod
    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        """Do the work of `step` on checked arguments; `donate` is never true with gradients enabled."""

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

    def _check(self, x: Tensor, carry: TensorDict, is_first: Tensor, names: tuple[str, ...]) -> None:
        like = self._reference_parameter()
        device = check_rows(x, is_first, like, self.input_size, names)
        check_carry(carry, self._carry_form(like.dtype), x.shape[0], device, type(self).__name__)

    def _carry_form(self, dtype: torch.dtype) -> CarryForm:
        """Return what a carry must look like while the parameters are of a dtype."""
        if torch.compiler.is_compiling():
            return carry_form(self.initial_carry(1))  # costs the compiled code nothing: only its form is read
        form = self._carry_forms.get(dtype)
        if form is None:
            with torch.no_grad():
                form = self._carry_forms[dtype] = carry_form(self.initial_carry(1))
        return form


def positive_int(name: str, value: int) -> int:
    """Return `value`, or raise a ValueError that names the argument unless it is an int above zero, as sizes are."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive int, got {value!r}; pass 1 or more.")
    if value >= _MOST:
        raise ValueError(
            f"{name} must be a positive int below 2**28, got one of {value.bit_length()} bits; pass fewer."
        )
    return value


def one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value`, or raise a ValueError that lists the choices unless it is one of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}; pick one of these.")
    return value


def state_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that a recurrence is computed and carried in for parameters of a dtype: float32 at least.

    Rounded to half precision at every row, a state would depend on where a sequence is cut, and what is chosen by it,
    as HCAM's chunks are, could be another choice.
    """
    return torch.promote_types(dtype, torch.float32)


def select_initial(is_first: Tensor, initial: Tensor | float, value: Tensor) -> Tensor:
    """Select the initial value where an episode begins.

    Args:
        is_first: Whether a row begins an episode, [...] bool.
        initial: What an episode begins with, a number or broadcastable to `value`.
        value: What was carried so far, [..., *].

    Returns:
        A new tensor shaped and typed like `value`; the value not selected leaves no trace, NaN included.
    """
    return torch.where(
        is_first.reshape(is_first.shape + (1,) * (value.dim() - is_first.dim())), initial, value
    )


def take_rows(states: Tensor, every: int) -> Tensor:
    """Pick from the states of all rows those that `forward` returns.

    Args:
        states: States after every row, [B, T, ...].
        every: 0 for the last row's, k for those of rows k-1, 2k-1, ….

    Returns:
        States, [B, ...] or [B, T // every, ...].
    """
    if every == 0:
        # A clone, since a view would keep the states of all T rows alive for as long as the carry lives.
        return states[:, -1].clone()
    return states[:, every - 1 :: every]


def pack_carry(is_first: Tensor, every: int, **states: Tensor) -> TensorDict:
    """Make the carry that `forward` returns of what `take_rows` picked.

    Args:
        is_first: The flags of the sequence, [B, T].
        every: As `take_rows`.
        **states: The carry's tensors, [B, ...] or [B, T // every, ...].

    Returns:
        A TensorDict of batch size [B] or [B, T // every].
    """
    batch, length = is_first.shape
    return TensorDict(dict(states), batch_size=[batch, length // every] if every else [batch])


def real_features(state: Tensor, batch_dims: int) -> Tensor:
    """Flatten what follows the batch dimensions into real numbers, [..., n]."""
    real = torch.view_as_real(state) if state.is_complex() else state
    return real.reshape(*state.shape[:batch_dims], prod(real.shape[batch_dims:]))
