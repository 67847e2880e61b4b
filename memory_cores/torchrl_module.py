"""Any memory core as a TorchRL module; the only file here that needs torchrl."""

import torch
from tensordict import NestedKey, TensorDict, TensorDictBase
from tensordict.nn import TensorDictModuleBase, dispatch
from torch import Tensor

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.resets import Resets

try:
    from torchrl.data import Composite, Unbounded
    from torchrl.envs import TensorDictPrimer
    from torchrl.modules import canonicalize_rnn_subset, recurrent_mode
except ImportError as error:
    raise ImportError(
        "engram.memory_cores.torchrl_module needs torchrl, which is not installed here; "
        'install it with pip install -e ".[torchrl]".'
    ) from error


class CoreModule(TensorDictModuleBase):
    """A memory core in the place of TorchRL's `LSTMModule` or `GRUModule`.

    It has their two modes, switched by `torchrl.modules.set_recurrent_mode`; losses switch to the second:

    - *sequential*, for collectors and bootstrap values: every element of the batch is one row. It reads the row and its
      carry, and writes the output and, under "next", the carry after the row.
    - *recurrent*, for losses: the last batch dimension is time. It reads the rows and the first row's carry
      and writes the outputs of all rows and, under "next", the carry after each: the same as row by row. Where
      nobody reads these and their memory counts, `select_out_keys(out_key)` leaves them out.

    It is called with a TensorDict or, as TorchRL's own modules, with tensors by their keys:
    `module(observation=x, is_init=flags, memory_carry_hidden=h)`. A row without a carry must begin an episode.

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
        default_recurrent_mode: The mode where `set_recurrent_mode` says nothing; None is False. Default: None.
    """

    def __init__(
        self,
        core: MemoryCore,
        in_key: NestedKey = "observation",
        out_key: NestedKey = "memory",
        carry_key: str = "memory_carry",
        init_key: NestedKey = "is_init",
        default_recurrent_mode: bool | None = None,
    ) -> None:
        super().__init__()
        self.core = core
        self.in_key, self.out_key, self.carry_key, self.init_key = in_key, out_key, carry_key, init_key
        self.default_recurrent_mode = default_recurrent_mode
        self._leaves = {
            key if isinstance(key, tuple) else (key,): (leaf.shape[1:], leaf.dtype)
            for key, leaf in core.initial_carry(1).items(include_nested=True, leaves_only=True)
        }
        self._carry_in = [(carry_key, *key) for key in self._leaves]
        self._carry_out = [("next", *key) for key in self._carry_in]
        self.in_keys = [in_key, init_key, *self._carry_in]
        self.out_keys = [out_key, *self._carry_out]

    @property
    def recurrent_mode(self) -> bool:
        """Whether the last batch dimension is time."""
        mode = recurrent_mode()
        return bool(self.default_recurrent_mode if mode is None else mode)

    @property
    def canonical_keys(self) -> list[NestedKey]:
        """The keys that `canonicalize` and TorchRL's `canonicalize_rnn_subset` make contiguous."""
        return [*self.in_keys, *self.out_keys]

    def canonicalize(self, data: TensorDictBase, *, inplace: bool = False) -> TensorDictBase:
        """Return the TensorDict, or a shallow copy unless `inplace`, with this module's keys made contiguous."""
        return canonicalize_rnn_subset(data, [self], inplace=inplace)

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

    @dispatch(auto_batch_size=False)
    def forward(self, tensordict: TensorDictBase) -> TensorDictBase:
        """Run the core on a TensorDict of any batch size, which takes the outputs.

        Args:
            tensordict: Holds `in_keys`; the carry may be missing where `is_init` is set.

        Returns:
            The same TensorDict.

        Raises:
            ValueError: A key is missing, a row has neither a carry nor `is_init`, shapes do not fit, or the
                recurrent mode has no time dimension.
        """
        x, is_first = self._read_rows(tensordict)
        batch = is_first.shape
        if self.recurrent_mode:
            if not batch:
                raise ValueError(
                    "The recurrent mode of CoreModule needs a last batch dimension for time, got batch size []; "
                    'give it one, or use set_recurrent_mode("sequential").'
                )
            y, carry = self._run_sequence(tensordict, x, is_first)
        else:
            carry = self._read_carry(tensordict, is_first)
            y, carry = self.core.step(x.reshape(-1, x.shape[-1]), carry, is_first.reshape(-1))
        for key, written in zip(self._leaves, self._carry_out, strict=True):
            if written in self.out_keys:
                leaf = carry[key].reshape((*batch, *self._leaves[key][0]))
                tensordict.set(written, torch.view_as_real(leaf) if leaf.is_complex() else leaf)
        return tensordict.set(self.out_key, y.reshape(*batch, y.shape[-1]))

    def _read_rows(self, tensordict: TensorDictBase) -> tuple[Tensor, Tensor]:
        """Return the rows [..., input_size] and whether they begin an episode, [...] bool."""
        for key in (self.in_key, self.init_key):
            if tensordict.get(key, None) is None:
                raise ValueError(
                    f"CoreModule needs the keys {self.in_key!r} and {self.init_key!r}, got none at {key!r}; name "
                    "the right key, and add InitTracker() and make_tensordict_primer() to the environment."
                )
        x, is_first = tensordict.get(self.in_key), tensordict.get(self.init_key)
        batch = x.shape[:-1]
        if tensordict.batch_size not in (batch, torch.Size([])) or is_first.numel() != batch.numel():
            raise ValueError(
                f"CoreModule takes rows [..., input_size] under {self.in_key!r} and one flag for each under "
                f"{self.init_key!r}, got shapes {list(x.shape)} and {list(is_first.shape)} in a TensorDict of "
                f"batch size {list(tensordict.batch_size)}; let the batch size be all but the last of the rows'."
            )
        return x, is_first.reshape(batch).to(torch.bool)

    def _run_sequence(
        self, tensordict: TensorDictBase, x: Tensor, is_first: Tensor
    ) -> tuple[Tensor, TensorDict]:
        """Return the outputs of rows [..., T] and, if they are written, the carry after each, batch size [N, T]."""
        carry = self._read_carry(tensordict, is_first, first_row=True)
        length = is_first.shape[-1]
        flags = is_first.reshape(-1, length)
        all_carries = any(key in self.out_keys for key in self._carry_out)
        resets = Resets(flags, host_copy(flags))
        return self.core(x.reshape(len(flags), length, x.shape[-1]), carry, resets, all_carries)

    def _read_carry(
        self, tensordict: TensorDictBase, is_first: Tensor, first_row: bool = False
    ) -> TensorDict:
        """Return the carry of every row, or of the first in time, batch size [N]; where it is missing the initial."""
        batch = is_first.shape
        begins = (is_first[..., 0] if first_row else is_first).reshape(-1)
        carry = TensorDict(batch_size=[len(begins)])
        for key, stored in zip(self._leaves, self._carry_in, strict=True):
            shape, dtype = self._leaves[key]
            leaf = tensordict.get(stored, None)
            if leaf is None:
                self._check_beginning(stored, begins)
                return self.core.initial_carry(len(begins))
            leaf = torch.view_as_complex(leaf.contiguous()) if dtype.is_complex else leaf
            leaf = leaf.reshape((*batch, *shape))
            carry[key] = (leaf.select(len(batch) - 1, 0) if first_row else leaf).reshape(-1, *shape)
        return carry

    def _check_beginning(self, missing: NestedKey, begins: Tensor) -> None:
        """Refuse rows of which nobody knows what came before: they would be remembered as an episode's first."""
        if not bool(begins.all()):
            raise ValueError(
                f"CoreModule needs the carry of every row that does not begin an episode, got rows with neither "
                f"{missing!r} nor {self.init_key!r}; add make_tensordict_primer() and InitTracker() to the "
                f"environment, or set {self.init_key!r} where a sequence shall begin with the initial carry."
            )


def host_copy(is_first: Tensor) -> Tensor | None:
    """Copy flags to host memory, for the cores' fast paths, unless that would break a graph."""
    if torch.compiler.is_compiling() or (is_first.is_cuda and torch.cuda.is_current_stream_capturing()):
        return None
    return is_first.cpu()
