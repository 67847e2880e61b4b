"""The gates of a block-diagonal recurrent unit on a CUDA device: one unit for each lane, computed in float32."""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl


@triton.jit
def _read(gates, hidden, update_bias, batch, units, size, BLOCK: tl.constexpr):
    """Return the units' places, which exist, where their gates lie, and hidden state, gates and candidate."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < batch * units
    row, unit = place // units, place % units
    begin = (unit // size * batch + row) * 3 * size + unit % size
    h = tl.load(hidden + place, mask=inside, other=0.0).to(tl.float32)
    reset = tl.sigmoid(tl.load(gates + begin, mask=inside, other=0.0).to(tl.float32))
    given = tl.load(gates + begin + size, mask=inside, other=0.0).to(tl.float32)
    update = tl.load(gates + begin + 2 * size, mask=inside, other=0.0).to(tl.float32)
    candidate = 2.0 * tl.sigmoid(2.0 * reset * given) - 1.0  # tanh
    return place, inside, begin, h, reset, given, candidate, tl.sigmoid(update + update_bias)


@triton.jit
def forward_kernel(gates, hidden, following, update_bias, batch, units, size, BLOCK: tl.constexpr):
    """Write the hidden state after a row, [B, H]."""
    place, inside, _, h, _, _, candidate, update = _read(
        gates, hidden, update_bias, batch, units, size, BLOCK
    )
    tl.store(following + place, h + update * (candidate - h), mask=inside)


@triton.jit
def backward_kernel(
    gates, hidden, grad, to_gates, to_hidden, update_bias, batch, units, size, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the gradients of the gates, [G, B, 3 n], and of the hidden state before, [B, H]."""
    place, inside, begin, h, reset, given, candidate, update = _read(
        gates, hidden, update_bias, batch, units, size, BLOCK
    )
    g = tl.load(grad + place, mask=inside, other=0.0).to(tl.float32)
    through = g * update * (1.0 - candidate * candidate)
    tl.store(to_hidden + place, g * (1.0 - update), mask=inside)
    tl.store(to_gates + begin, through * given * reset * (1.0 - reset), mask=inside)
    tl.store(to_gates + begin + size, through * reset, mask=inside)
    tl.store(to_gates + begin + 2 * size, g * (candidate - h) * update * (1.0 - update), mask=inside)
