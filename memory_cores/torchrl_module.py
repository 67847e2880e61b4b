"""Any memory core as a TorchRL module; the only file here that needs torchrl."""

from math import prod

import torch
from tensordict import NestedKey, TensorDict, TensorDictBase
from tensordict.nn import TensorDictModuleBase
from torch import Tensor

from memory_cores.base import MemoryCore

try:
    from torchrl.data import Composite, Unbounded
    from torchrl.envs import TensorDictPrimer
    from torchrl.modules import recurrent_mode
except ImportError as error:
    raise ImportError(
        "memory_cores.torchrl_module needs torchrl, which is not installed here; "
        'install it with pip install "engram-rl[torchrl]".'
    ) from error


class CoreModule(TensorDictModuleBase):
    """A memory core in the place of TorchRL's `LSTMModule` or `GRUModule`.

    It has their two modes, switched by `torchrl.modules.set_recurrent_mode`; losses switch to the second:

    - *sequential*, for collectors and bootstrap values: every element of the batch is one row. It reads the row and its
      carry, and writes the output and, under "next", the carry after the row.
    - *recurrent*, for losses: the last batch dimension is time. It reads the rows and the first row's carry
      and writes the outputs of all rows; carries collected under "next" stay as they are.

    Give GAE the values of a critic called in sequential mode on the data and on its "next", as the README
    does, and no network: it would mark as an episode's beginning what follows one, and a loss which calls
    GAE does so in recurrent mode, where "next" has no episode's first row.

    The environment needs `InitTracker()` and `module.make_tensordict_primer()`. The core resets its carry
    itself where `is_init` is set, in both modes.

    Args:
        core: The memory core.
        in_key: Rows to read, [..., input_size]. Default: "observation".
        out_key: Where the output goes, [..., output_size]. Default: "memory".
        carry_key: Where the carry is, under its own keys; complex numbers are stored as pairs of real ones,
            since TorchRL's specs have no complex numbers. Two cores need two keys. Default: "memory_carry".
        init_key: Whether a row begins an episode, [..., 1] bool. Default: "is_init".
        default_recurrent_mode: The mode where `set_recurrent_mode` says nothing. Default: False.
    """

    def __init__(
        self,
        core: MemoryCore,
        in_key: NestedKey = "observation",
        out_key: NestedKey = "memory",
        carry_key: str = "memory_carry",
        init_key: NestedKey = "is_init",
        default_recurrent_mode: bool = False,
    ) -> None:
        super().__init__()
        self.core = core
        self.in_key, self.out_key, self.carry_key, self.init_key = in_key, out_key, carry_key, init_key
        self.default_recurrent_mode = default_recurrent_mode
        self._leaves = {
            key if isinstance(key, tuple) else (key,): (leaf.shape[1:], leaf.dtype)
            for key, leaf in core.initial_carry(1).items(include_nested=True, leaves_only=True)
        }
        keys = [(carry_key, *key) for key in self._leaves]
        self.in_keys = [in_key, init_key, *keys]
        self.out_keys = [out_key, *(("next", *key) for key in keys)]

    @property
    def recurrent_mode(self) -> bool:
        """Whether the last batch dimension is time."""
        mode = recurrent_mode()
        return self.default_recurrent_mode if mode is None else mode

    def make_tensordict_primer(self) -> TensorDictPrimer:
        """Make the transform that tells an environment of the carry, as TorchRL's own modules do.

        Its zeros only hold the place: the core begins an episode with its own initial carry.
        """
        specs: dict[str, Composite] = {}
        if self._leaves:
            carry = Composite()
            for key, (shape, dtype) in self._leaves.items():
                if dtype.is_complex:
                    carry[key] = Unbounded(shape=(*shape, 2), dtype=dtype.to_real())
                else:
                    carry[key] = Unbounded(shape=shape, dtype=dtype)
            specs[self.carry_key] = carry
        return TensorDictPrimer(Composite(specs), expand_specs=True)

    def forward(self, tensordict: TensorDictBase) -> TensorDictBase:
        """Run the core on a TensorDict of any batch size, which takes the outputs.

        Args:
            tensordict: Holds `in_keys`; without a carry, rows begin with the initial one.

        Returns:
            The same TensorDict.

        Raises:
            ValueError: A key is missing, or the recurrent mode has no time dimension.
        """
        for key in (self.in_key, self.init_key):
            if tensordict.get(key, None) is None:
                raise ValueError(
                    f"CoreModule needs the keys {self.in_key!r} and {self.init_key!r}, got none at {key!r}; name "
                    "the right key, and add InitTracker() and make_tensordict_primer() to the environment."
                )
        batch = tensordict.batch_size
        x = tensordict.get(self.in_key)
        is_first = tensordict.get(self.init_key).reshape(batch)
        if self.recurrent_mode:
            if not batch:
                raise ValueError(
                    "The recurrent mode of CoreModule needs a last batch dimension for time, got batch size []; "
                    'give it one, or use set_recurrent_mode("sequential").'
                )
            y = self._run_sequence(x, tensordict.select(*self.in_keys[2:], strict=False)[..., 0], is_first)
        else:
            size = prod(batch)
            y, carry = self.core.step(
                x.reshape(size, x.shape[-1]), self._read_carry(tensordict), is_first.reshape(size)
            )
            self._write_carry(tensordict, carry)
        return tensordict.set(self.out_key, y.reshape(*batch, y.shape[-1]))

    def _run_sequence(self, x: Tensor, first_row: TensorDictBase, is_first: Tensor) -> Tensor:
        """Return the outputs of rows [..., T], the first of which holds the carry."""
        length = is_first.shape[-1]
        is_first = is_first.reshape(-1, length)
        x = x.reshape(len(is_first), length, x.shape[-1])
        y, _ = self.core(x, self._read_carry(first_row), is_first, host_is_first=host_copy(is_first))
        return y

    def _read_carry(self, tensordict: TensorDictBase) -> TensorDict:
        """Return the carry of every element, batch size [N], or the initial one if there is none."""
        batch = tensordict.batch_size
        size = prod(batch)
        carry = TensorDict(batch_size=[size])
        for key, (shape, dtype) in self._leaves.items():
            leaf = tensordict.get((self.carry_key, *key), None)
            if leaf is None:
                return self.core.initial_carry(size)
            leaf = torch.view_as_complex(leaf.contiguous()) if dtype.is_complex else leaf
            carry[key] = leaf.reshape(size, *shape)
        return carry

    def _write_carry(self, tensordict: TensorDictBase, carry: TensorDictBase) -> None:
        batch = tensordict.batch_size
        for key in self._leaves:
            leaf = carry[key].reshape((*batch, *carry[key].shape[1:]))
            real = torch.view_as_real(leaf) if leaf.is_complex() else leaf
            tensordict.set(("next", self.carry_key, *key), real)


def host_copy(is_first: Tensor) -> Tensor | None:
    """Copy flags to host memory, for the cores' fast paths, unless that would break a graph."""
    if torch.compiler.is_compiling() or (is_first.is_cuda and torch.cuda.is_current_stream_capturing()):
        return None
    return is_first.cpu()
