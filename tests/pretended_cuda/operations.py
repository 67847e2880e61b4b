"""What torch's operations cost a CUDA device: which launch nothing, which wait, which launch several kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Views and other bookkeeping of the host.
FREE = frozenset(
    """view _unsafe_view expand permute transpose t slice select unsqueeze squeeze detach alias as_strided split unbind
    empty empty_like new_empty empty_strided new_empty_strided lift_fresh lift view_as_real view_as_complex
    _reshape_alias split_with_sizes unfold diagonal reshape _conj _neg_view conj real imag size stride sym_size
    is_pinned set_ narrow chunk movedim flatten unflatten mT mH squeeze_ unsqueeze_ detach_ result_type resolve_conj
    resolve_neg is_same_size _has_same_storage_numel dim numel prim_device record_stream broadcast_tensors expand_as
    view_as T""".split()
)
# The host needs the result, or its shape.
WAITING = frozenset(
    """_local_scalar_dense item is_nonzero nonzero masked_select _unique2 unique_consecutive unique_dim equal bincount
    allclose repeat_interleave""".split()
)
INDEXING = frozenset("index index_put index_put_ _unsafe_index _index_put_impl_".split())
# Operations in which not even a tensor of no dimensions may lie on another device.
SAME_DEVICE = frozenset("cat stack scatter scatter_ gather index_select mm addmm".split())
_SEVERAL = {
    "native_layer_norm_backward": 3,
    "sort": 4,
    "argsort": 4,
    "topk": 3,
    "_index_put_impl_": 6,
    "convolution": 2,
    "convolution_backward": 4,
    "embedding_dense_backward": 4,
    "cumprod_backward": 8,
}
# Tensors of a list that one launch takes.
_FOREACH, _FUSED = 40, 30


def launches(name: str, args: Sequence[Any]) -> int:
    """Estimate the kernels that an operation launches.

    Args:
        name: of the operation, without its overload.
        args: its positional arguments.
    """
    if name in FREE:
        return 0
    if name.startswith("_foreach"):
        lists = [arg for arg in args if isinstance(arg, list | tuple)]
        count = max(1, -(-len(lists[0]) // _FOREACH)) if lists else 1
        return count * (2 if "norm" in name else 1)
    if name.startswith("_fused_adam"):
        return -(-len(args[0]) // _FUSED) + 1
    return _SEVERAL.get(name, 1)
