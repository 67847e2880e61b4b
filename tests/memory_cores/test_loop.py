"""LSTM and GRU over sequences: every fast path against the plain loop, and against torch's own modules."""

import functools

import pytest
import torch
from loop_cases import (
    BATCH,
    HIDDEN,
    INPUT,
    KINDS,
    LENGTH,
    assert_same,
    flags,
    gru_loop,
    gru_loop_reference,
    inputs,
    lstm_loop,
    lstm_loop_reference,
    run,
    with_flat_weights,
)
from torch import nn

from engram.memory_cores import GRU, LSTM, Resets
from engram.memory_cores.loop import engine as loop
from engram.memory_cores.loop.library import cells_from_hiddens, library_gru, library_lstm
from engram.memory_cores.loop.packing import Packing


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_cells", [True, False])
def test_lstm_fast_equals_reference(kind, all_cells):
    tensors, is_first = inputs(4, 2), flags(kind)
    expected = run(lstm_loop_reference, tensors, is_first, all_cells=all_cells)
    actual = run(lstm_loop, tensors, is_first, all_cells=all_cells)
    assert_same(actual, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_gru_fast_equals_reference(kind):
    tensors, is_first = inputs(3, 1), flags(kind)
    assert_same(
        run(gru_loop, tensors, is_first), run(gru_loop_reference, tensors, is_first), rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize("kind", KINDS)
def test_fast_equals_reference_in_float32(kind):
    is_first = flags(kind)
    lstm, gru = inputs(4, 2, torch.float32), inputs(3, 1, torch.float32)
    close = {"rtol": 1e-3, "atol": 1e-4}
    assert_same(run(gru_loop, gru, is_first), run(gru_loop_reference, gru, is_first), **close)
    for cells in (True, False):
        expected = run(lstm_loop_reference, lstm, is_first, all_cells=cells)
        assert_same(run(lstm_loop, lstm, is_first, all_cells=cells), expected, **close)


@pytest.mark.parametrize("kind", ["none", "dense"])
def test_gradcheck(kind):
    is_first = flags(kind, 5)
    lstm, gru = inputs(4, 2, length=5), inputs(3, 1, length=5)
    assert torch.autograd.gradcheck(lambda x, *rest: lstm_loop(x, is_first, *rest), lstm, fast_mode=True)
    assert torch.autograd.gradcheck(lambda x, *rest: gru_loop(x, is_first, *rest), gru, fast_mode=True)


@pytest.fixture
def paths(monkeypatch):
    """The names of the fast paths taken, in order."""
    taken = []
    packed, stretched = loop.PackedLSTM.apply, loop.stretched_lstm
    monkeypatch.setattr(loop.PackedLSTM, "apply", lambda *args: taken.append("packed") or packed(*args))
    monkeypatch.setattr(loop, "stretched_lstm", lambda *args: taken.append("fused") or stretched(*args))
    return taken


def test_which_path_runs(paths):
    """Without this, both fast paths could fall back to one and every comparison above still pass."""
    tensors = inputs(4, 2)
    for kind, expected in (
        ("none", "fused"),
        ("first row", "fused"),
        ("together", "fused"),
        ("dense", "packed"),
    ):
        lstm_loop(tensors[0], flags(kind), *tensors[1:], all_cells=False)
        assert paths.pop() == expected
    lstm_loop(tensors[0], flags("none"), *tensors[1:], all_cells=True)
    assert paths == ["packed"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_put_in_at_resets_forget_to_the_bit(paths, dtype):
    x, hidden, cell, *weights = (tensor.detach() for tensor in inputs(4, 2, dtype))
    is_first = flags("none")
    is_first[0, [3, 30]] = True
    is_first[1, 10] = True
    hiddens, last = lstm_loop(x, is_first, hidden, cell, *weights, all_cells=False)
    other = x.clone()
    other[0, :30] *= 1e4
    other[1, :10] = 7.0
    other_hiddens, other_last = lstm_loop(other, is_first, -hidden, 1e6 * cell, *weights, all_cells=False)
    assert paths == ["fused", "fused"]
    assert torch.equal(hiddens[0, 30:], other_hiddens[0, 30:]) and torch.equal(last[0], other_last[0])
    assert torch.equal(hiddens[1, 10:], other_hiddens[1, 10:]) and torch.equal(last[1], other_last[1])
    assert not torch.equal(last[2], other_last[2])


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["x", "hidden", "cell"])
def test_numbers_that_are_not_finite_take_the_path_that_selects(paths, poison, where):
    x, hidden, cell, *weights = (tensor.detach() for tensor in inputs(4, 2))
    is_first = flags("together")
    begin = int(is_first[0].nonzero())
    expected, expected_last = lstm_loop(x, is_first, hidden, cell, *weights, all_cells=False)
    {"x": x[:, 0], "hidden": hidden, "cell": cell}[where][:] = poison
    hiddens, last = lstm_loop(x, is_first, hidden, cell, *weights, all_cells=False)
    assert paths == ["fused", "packed"]
    torch.testing.assert_close(hiddens[:, begin:], expected[:, begin:])
    torch.testing.assert_close(last, expected_last)


@pytest.mark.parametrize(("ours", "theirs"), [(LSTM, nn.LSTM), (GRU, nn.GRU)])
def test_weights_are_interchangeable_with_torch(ours, theirs):
    torch.manual_seed(0)
    core, module = ours(INPUT, hidden_size=HIDDEN), theirs(INPUT, HIDDEN, batch_first=True)
    core.load_state_dict(module.state_dict())
    x = torch.randn(BATCH, LENGTH, INPUT)
    y, carry = core(x, core.initial_carry(BATCH), flags("none"))
    expected, last = module(x)
    torch.testing.assert_close(y, expected)
    last_hidden = last[0] if isinstance(last, tuple) else last
    torch.testing.assert_close(carry["hidden"], last_hidden[0])
    module.load_state_dict(core.state_dict())


@pytest.mark.parametrize("core_class", [LSTM, GRU])
def test_initialisation(core_class):
    torch.manual_seed(0)
    core, size = core_class(INPUT, hidden_size=HIDDEN, init="orthogonal"), HIDDEN
    for gate in core.weight_hh_l0.split(size):
        torch.testing.assert_close(gate @ gate.T, torch.eye(size), rtol=0, atol=1e-5)
    expected = torch.zeros(len(core.bias_ih_l0))
    if core_class is LSTM:
        expected[size : 2 * size] = 1.0  # gate order input, forget, cell, output
    assert torch.equal(core.bias_ih_l0 + core.bias_hh_l0, expected)
    uniform = core_class(INPUT, hidden_size=HIDDEN, init="uniform")
    for parameter in uniform.parameters():
        assert 0 < parameter.abs().max() <= size**-0.5
    with pytest.raises(
        ValueError, match=f"init of {core_class.__name__} must be one of chrono, orthogonal, uniform"
    ):
        core_class(INPUT, hidden_size=HIDDEN, init="zeros")


@pytest.mark.parametrize("core_class", [LSTM, GRU])
def test_units_begin_with_time_scales_up_to_the_horizon(core_class):
    torch.manual_seed(0)
    size, longest, keeps = 1000, 50, 1  # the second gate keeps: forget or update
    core = core_class(INPUT, hidden_size=size, init="chrono", max_time_scale=longest)
    gates = (core.bias_ih_l0 + core.bias_hh_l0).detach().split(size)
    time_scales = 1 / (1 - gates[keeps].double().sigmoid())
    assert time_scales.min() >= 2 - 1e-3 and time_scales.max() <= longest + 1e-3
    torch.testing.assert_close(time_scales.median().item(), (2 * longest) ** 0.5, rtol=0.1, atol=0)
    others = [gate for index, gate in enumerate(gates) if index != keeps]
    if core_class is LSTM:  # what is kept longer is written slower
        assert torch.equal(others.pop(0), -gates[keeps])
    assert not any(gate.any() for gate in others)
    with pytest.raises(
        ValueError, match=r"max_time_scale of (GRU|LSTM) must be a whole number of at least 2, but got 1"
    ):
        core_class(INPUT, init="chrono", max_time_scale=1)


def test_vmap_runs_the_reference():
    tensors, is_first = [tensor.detach() for tensor in inputs(3, 1)], flags("dense")
    x, hidden, weight, *rest = tensors
    many = torch.stack([weight, 2 * weight])
    outputs = torch.func.vmap(lambda weight: gru_loop(x, is_first, hidden, weight, *rest))(many)
    torch.testing.assert_close(outputs[1], gru_loop(x, is_first, hidden, 2 * weight, *rest))


def reset(is_first, *states):
    return [torch.where(is_first[:, :1], 0.0, state) for state in states]


@with_flat_weights
def library_lstm_loop(x, is_first, hidden, cell, weights, all_cells=False):
    """What `lstm_loop` does on CUDA, here on any device."""
    hidden, cell = reset(is_first, hidden, cell)
    hiddens, last_cell = library_lstm(x, is_first.cpu(), hidden, cell, weights)
    if not all_cells:
        return hiddens, last_cell
    return hiddens, cells_from_hiddens(x, is_first, hiddens, hidden, cell, weights)


@with_flat_weights
def library_gru_loop(x, is_first, hidden, weights):
    return library_gru(x, is_first.cpu(), *reset(is_first, hidden), weights)


LIBRARY = [
    (library_lstm_loop, 4, 2),
    (functools.partial(library_lstm_loop, all_cells=True), 4, 2),
    (library_gru_loop, 3, 1),
]


@pytest.mark.parametrize("kind", KINDS)
def test_library_equals_reference(kind):
    lstm, gru, is_first = inputs(4, 2), inputs(3, 1), flags(kind)
    for all_cells in (True, False):
        expected = run(lstm_loop_reference, lstm, is_first, all_cells=all_cells)
        actual = run(library_lstm_loop, lstm, is_first, all_cells=all_cells)
        assert_same(actual, expected, rtol=1e-11, atol=1e-11)
    expected = run(gru_loop_reference, gru, is_first)
    assert_same(run(library_gru_loop, gru, is_first), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("function", "gates", "states"), LIBRARY)
def test_library_gradients(function, gates, states):
    tensors, is_first = inputs(gates, states, length=6), flags("few")[:, :6]
    is_first[2, 3:5] = True

    def call(x, *rest):
        return function(x, is_first, *rest)

    assert torch.autograd.gradcheck(call, tensors, fast_mode=True)
    outputs = call(*tensors)
    total = sum(output.sum() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))
    first = torch.autograd.grad(total, tensors, retain_graph=True)
    for once, twice in zip(first, torch.autograd.grad(total, tensors), strict=True):
        assert torch.equal(once, twice)
    # Some inputs alone, as where the encoder is frozen.
    some = [tensor.detach().requires_grad_(index in (1, 4)) for index, tensor in enumerate(tensors)]
    outputs = call(*some)
    total = sum(output.sum() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))
    total.backward()
    for index, tensor in enumerate(some):
        assert (tensor.grad is None) == (index not in (1, 4))
        if tensor.grad is not None:
            torch.testing.assert_close(tensor.grad, first[index])


@pytest.mark.parametrize(("function", "gates", "states"), LIBRARY)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_library_lets_nothing_past_a_reset(function, gates, states, poison):
    is_first = flags("together")
    begin = int(is_first[0].nonzero())
    gradients, outcomes = [], []
    for value in (1.0, poison):
        tensors = [tensor.detach() for tensor in inputs(gates, states)]
        for before in (tensors[0][:, 2], *tensors[1 : 1 + states]):
            before[:] = value
        x = tensors[0].requires_grad_()
        outputs = function(x, is_first, *tensors[1:])
        hiddens, *last = outputs if isinstance(outputs, tuple) else (outputs,)
        kept = [hiddens[:, begin:], *(cells[:, -(LENGTH - begin) :] for cells in last)]
        outcomes.append([states.detach() for states in kept])
        gradients.append(torch.autograd.grad(sum(states.sum() for states in kept), x)[0][:, begin:])
    assert torch.isfinite(outcomes[1][0]).all()
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=0, atol=0)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


@pytest.mark.parametrize("core_class", [LSTM, GRU])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_carries", [0, 1, 3])
def test_cores_as_on_a_device(core_class, kind, all_carries, monkeypatch):
    """The path that CUDA takes, here in host memory: outputs, carries, gradients."""
    torch.manual_seed(0)
    core = core_class(INPUT, hidden_size=HIDDEN).double()
    x = torch.randn(BATCH, LENGTH, INPUT, dtype=torch.float64, requires_grad=True)
    carry = core.initial_carry(BATCH).apply(lambda leaf: torch.randn_like(leaf).requires_grad_())
    outcomes = []
    for prefers in (False, True):
        monkeypatch.setattr(loop, "_prefers_library", lambda x, prefers=prefers: prefers)
        y, last = core(x, carry, flags(kind), all_carries)
        total = y.square().sum() + sum(leaf.square().sum() for leaf in last.values())
        grads = torch.autograd.grad(total, [x, *carry.values(), *core.parameters()])
        outcomes.append([y, *last.values(), *grads])
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("function", "gates", "states"), LIBRARY)
def test_library_leaves_its_settings_as_they_were(function, gates, states):
    before = torch.backends.cudnn.rnn.fp32_precision
    run(function, inputs(gates, states), flags("few"))
    with torch.no_grad():
        tensors = inputs(gates, states)
        function(tensors[0], flags("few"), *tensors[1:])
    assert torch.backends.cudnn.rnn.fp32_precision == before


def test_without_flags_in_host_memory_the_reference_runs(paths):
    lstm, gru, is_first = inputs(4, 2), inputs(3, 1), flags("none")
    expected = with_flat_weights(loop.lstm_loop)(lstm[0], Resets(is_first), *lstm[1:])
    assert paths == []
    torch.testing.assert_close(expected, lstm_loop_reference(lstm[0], is_first, *lstm[1:]), rtol=0, atol=0)
    expected = gru_loop_reference(gru[0], is_first, *gru[1:])
    actual = with_flat_weights(loop.gru_loop)(gru[0], Resets(is_first), *gru[1:])
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("core_class", [LSTM, GRU])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_carries", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gpu_equals_cpu_with_and_without_host_flags(core_class, kind, all_carries, dtype):
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    is_first, outcomes = flags(kind), []
    for device, host in (("cpu", None), ("cuda", None), ("cuda", is_first)):
        torch.manual_seed(0)
        core = core_class(INPUT, hidden_size=HIDDEN).to(dtype)
        x = torch.randn(BATCH, LENGTH, INPUT, dtype=dtype).to(device).requires_grad_()
        carry = core.initial_carry(BATCH).apply(torch.randn_like).to(device)
        carry.apply(lambda leaf: leaf.requires_grad_())
        core = core.to(device)
        y, last = core(x, carry, Resets(is_first.to(device), host), all_carries)
        total = y.square().sum() + sum(leaf.square().sum() for leaf in last.values())
        grads = torch.autograd.grad(total, [x, *carry.values(), *core.parameters()])
        outcomes.append([tensor.detach().cpu() for tensor in (y, *last.values(), *grads)])
    for outcome in outcomes[1:]:
        torch.testing.assert_close(outcome, outcomes[0], **tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("core_class", [LSTM, GRU])
def test_gpu_takes_a_carry_and_rows_in_any_order_of_memory(core_class):
    core = core_class(INPUT, hidden_size=HIDDEN).cuda()
    x = torch.randn(LENGTH, BATCH, INPUT, device="cuda").transpose(0, 1)
    carry = core.initial_carry(BATCH).apply(lambda leaf: torch.randn_like(leaf.mT).mT)
    for kind in ("none", "few"):
        host = flags(kind)
        y, _ = core(x, carry, Resets(host.cuda(), host))
        expected, _ = core(x, carry, host.cuda())
        torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("core_class", [LSTM, GRU])
def test_gpu_is_not_waited_for(core_class):
    """Values, gradients and all index tensors, without one wait of the host for the device."""
    core = core_class(INPUT, hidden_size=HIDDEN).cuda()
    x, carry, host = torch.randn(BATCH, LENGTH, INPUT, device="cuda"), core.initial_carry(BATCH), flags("few")
    is_first = host.cuda()
    core(x, carry, Resets(is_first, host))[0].sum().backward()  # loads the library's kernels
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        core(x, carry, Resets(is_first, host))[0].sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_packing_by_hand():
    is_first = torch.tensor([[0, 0, 1, 0, 0], [1, 1, 0, 0, 0]], dtype=torch.bool)
    packing = Packing.of(is_first)
    # Segments: row 0-1, row 2-4 of environment 0; row 0, row 1-4 of environment 1. By length: 4, 3, 2, 1.
    assert packing.sizes == [4, 3, 2, 1]
    assert packing.order.tolist() == [6, 2, 0, 5, 7, 3, 1, 8, 4, 9]
    assert packing.carried.tolist() == [2, 3]
    assert packing.last.tolist() == [1, 0]
    assert packing.previous.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9, 11]
    rows = torch.arange(10.0).reshape(2, 5, 1)
    assert torch.equal(packing.unpack(packing.pack(rows)), rows)
