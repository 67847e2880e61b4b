"""Cores of the loop family against published numbers and plain references of their equations."""

import numpy as np
import pytest
import torch
from core_cases import run_steps
from golden_cases import TIGHT, assert_golden, load_golden, weights_of
from torch import nn

from engram.memory_cores import LEM, RMC, SLSTM, XLSTM, CfC, Elman, IndRNN, loop_core

BATCH, LENGTH, INPUT, HIDDEN = 2, 9, 4, 6


def rows():
    torch.manual_seed(0)
    x, is_first = torch.randn(BATCH, LENGTH, INPUT, dtype=torch.float64), torch.rand(BATCH, LENGTH) < 0.3
    is_first[0, 0] = True
    return x, is_first


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_an_elman_is_torchs_episode_by_episode(nonlinearity):
    """Parameters are those of `torch.nn.RNN`, which knows no resets."""
    x, is_first = rows()
    peer = nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity, batch_first=True).double()
    core = Elman(INPUT, HIDDEN, nonlinearity).double()
    core.load_state_dict(peer.state_dict())
    hidden = torch.randn(BATCH, HIDDEN, dtype=torch.float64)
    y, _ = core(x, core.initial_carry(BATCH).set("hidden", hidden), is_first)
    for b in range(BATCH):
        state = hidden[b : b + 1]
        for t in range(LENGTH):
            state = torch.zeros_like(state) if is_first[b, t] else state
            expected, last = peer(x[b : b + 1, t : t + 1], state.unsqueeze(0))
            state = last[0]
            torch.testing.assert_close(y[b, t], expected[0, 0], **TIGHT)


@pytest.mark.parametrize("init", ["orthogonal", "identity"])
def test_an_elman_begins_as_a_memory(init):
    recurrent = Elman(INPUT, HIDDEN, init=init).weight_hh_l0
    torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(HIDDEN), rtol=0, atol=1e-5)
    assert torch.equal(recurrent, torch.eye(HIDDEN)) == (init == "identity")


def test_rows_without_a_reset_select_nothing(monkeypatch):
    """Where the flags are in host memory, only rows that begin an episode somewhere pay for a selection."""
    seen, core = [], Elman(INPUT, HIDDEN)
    monkeypatch.setattr(loop_core, "select_initial", lambda first, *rest: seen.append(first) or rest[1])
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[1, 3] = is_first[0, 7] = True
    core(torch.randn(BATCH, LENGTH, INPUT), core.initial_carry(BATCH), is_first)
    assert [first.tolist() for first in seen] == [[False, True], [True, False]]


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def test_a_lem_is_its_equations():
    """Equation 3 of Rusch et al. (2022), row by row in numpy."""
    x, is_first = rows()
    core = LEM(INPUT, HIDDEN).double()
    carry = core.initial_carry(BATCH).apply(torch.randn_like)
    actual, last = core(x, carry, is_first)
    w = {key: value.detach().numpy() for key, value in core.named_parameters()}
    (v_1, v_2, v_z) = w["from_y.weight"].reshape(3, HIDDEN, HIDDEN)
    for b in range(BATCH):
        y, z = carry["y"][b].numpy(), carry["z"][b].numpy()
        for t in range(LENGTH):
            if is_first[b, t]:
                y, z = np.zeros(HIDDEN), np.zeros(HIDDEN)
            from_x = w["input.weight"] @ x[b, t].numpy() + w["input.bias"]
            in_1, in_2, in_z, in_y = from_x.reshape(4, HIDDEN)
            step_y, step_z = sigmoid(in_1 + v_1 @ y), sigmoid(in_2 + v_2 @ y)
            z = (1 - step_z) * z + step_z * np.tanh(in_z + v_z @ y)
            y = (1 - step_y) * y + step_y * np.tanh(in_y + w["from_z.weight"] @ z)
            torch.testing.assert_close(actual[b, t], torch.from_numpy(y), **TIGHT)
        torch.testing.assert_close(last["y"][b], torch.from_numpy(y), **TIGHT)
        torch.testing.assert_close(last["z"][b], torch.from_numpy(z), **TIGHT)


def test_ind_rnn_golden():
    golden = load_golden("ind_rnn")
    w, core = weights_of(golden), IndRNN(4, 8, num_layers=2).double()
    with torch.no_grad():
        core.embed.weight.copy_(w["W0"])
        core.embed.bias.zero_()
        for index, (layer, weight) in enumerate(zip(core.layers, (torch.eye(8), w["W1"]), strict=True)):
            layer.input.weight.copy_(weight)
            layer.input.bias.copy_(w[f"b{index}"] + w[f"c{index}"])
            layer.recurrent.copy_(w[f"w{index}"])
    assert_golden(core, golden, lambda c: {f"layer_{i}": {"hidden": c[f"h{i}"]} for i in range(2)})


def test_an_ind_rnn_is_clipped_at_its_bound():
    """Over T rows a unit then grows twofold at most."""
    core = IndRNN(1, 1, num_layers=1, bound_length=10).double()
    with torch.no_grad():
        core.layers[0].recurrent.fill_(5.0)
        core.layers[0].input.weight.zero_()
    carry = core.initial_carry(1).apply(torch.ones_like)
    y, _ = core(torch.randn(1, 10, 1, dtype=torch.float64), carry, torch.zeros(1, 10, dtype=torch.bool))
    assert y[0, -1].item() == pytest.approx(2.0)


def test_cfc_golden():
    golden = load_golden("cfc")
    w, core = weights_of(golden), CfC(4, 8, backbone_size=7).double()
    with torch.no_grad():
        core.input.weight.copy_(w["bb_w"][:, :4])
        core.recurrent.weight.copy_(w["bb_w"][:, 4:])
        core.input.bias.copy_(w["bb_b"])
        # Rows are one unit of time apart, so that both parts of the time are one.
        core.heads.weight.copy_(torch.cat([w["ff1_w"], w["ff2_w"], w["ta_w"] + w["tb_w"]]))
        core.heads.bias.copy_(torch.cat([w["ff1_b"], w["ff2_b"], w["ta_b"] + w["tb_b"]]))
    assert_golden(core, golden, lambda carry: {"hidden": carry["h"]})


@pytest.mark.parametrize("mode", ["no_gate", "pure"])
def test_the_other_modes_of_a_cfc(mode):
    """By the formulas of their source, and alike by rows and by sequences."""
    x, is_first = rows()
    core = CfC(INPUT, HIDDEN, backbone_size=5, mode=mode).double()
    carry = core.initial_carry(BATCH).apply(torch.randn_like)
    y, last = core(x, carry, is_first)
    stepped, last_stepped, _ = run_steps(core, x, carry, is_first)
    torch.testing.assert_close(y, stepped, **TIGHT)
    torch.testing.assert_close(last["hidden"], last_stepped["hidden"], **TIGHT)
    hidden = torch.where(is_first[:, :1], 0.0, carry["hidden"])
    a = 1.7159 * torch.tanh(0.666 * (core.input(x[:, 0]) + core.recurrent(hidden)))
    if mode == "pure":
        f = core.heads(a)
        expected = -core.asymptote * torch.exp(-(core.rate.abs() + f.abs())) * f + core.asymptote
    else:
        f, g, s = core.heads(a).chunk(3, dim=-1)
        expected = f.tanh() + s.sigmoid() * g.tanh()
    torch.testing.assert_close(y[:, 0], expected, **TIGHT)


def slstm_golden():
    """An sLSTM layer with published weights, as a core without the norm and the network around it."""
    golden = load_golden("slstm")
    w, core = weights_of(golden), SLSTM(8, 8, num_layers=1, num_heads=2).double()
    block = core.layers[0]
    layer = block.mixer
    block.forward = layer.forward
    with torch.no_grad():
        layer.convolution.weight.copy_(w["conv_w"])
        layer.convolution.bias.copy_(w["conv_b"])
        layer.cell.input_if.weight.copy_(torch.cat([w["W_i"], w["W_f"]], dim=1))
        layer.cell.input_zo.weight.copy_(torch.cat([w["W_z"], w["W_o"]], dim=1))
        layer.cell.recurrent.copy_(w["R"].flatten(2))
        layer.cell.bias.copy_(w["bias"].flatten(1))
        layer.head_norm.copy_(1 + w["gn_w"])
    return core, golden


def test_slstm_golden():
    def carry_of(carry):
        cell = {key: carry[key].unflatten(-1, (2, 4)) for key in ("h", "c", "n", "m")}
        return {"layer_0": {"inputs": carry["conv"], "cell": cell}}

    assert_golden(*slstm_golden(), carry_of)


def test_an_empty_unit_of_an_slstm_is_its_own_matter():
    """With a closed input gate its first row is still taken whole, whatever other environments carry."""
    core, _ = slstm_golden()
    with torch.no_grad():
        core.layers[0].mixer.cell.bias[:, :4] = -120.0
    carry = core.initial_carry(2).apply(torch.randn_like)
    x, is_first = torch.randn(2, 8, dtype=torch.float64), torch.tensor([True, False])
    y, _ = core.step(x, carry, is_first)
    alone, _ = core.step(x[:1], core.initial_carry(1), is_first[1:])
    assert torch.isfinite(y).all() and torch.equal(y[:1], alone)


def test_an_slstm_begins_as_published():
    layers = SLSTM(8, 8, num_layers=2, num_heads=2, init="published").layers
    expected = [[5 - 12 * (d / 3) ** power for d in range(4)] for power in (0.3, 1.6)]
    for layer, biases in zip(layers, expected, strict=True):
        i, f, z, o = layer.mixer.cell.bias.view(2, 4, 4).unbind(1)
        torch.testing.assert_close(f, torch.tensor([biases, biases]))
        assert not torch.stack([i, z, o]).any() and not layer.mixer.cell.recurrent.any()


@pytest.mark.parametrize(("every", "kinds"), [(2, "msms"), (4, "mmms"), (1, "ssss")])
def test_an_xlstm_alternates(every, kinds):
    core = XLSTM(8, 8, num_layers=4, slstm_every=every, num_heads=2, inner_size=8)
    assert "".join(type(layer.mixer).__name__[0].lower() for layer in core.layers) == kinds


def test_rmc_golden():
    golden = load_golden("rmc")
    w, core = weights_of(golden), RMC(4, 18, num_slots=3, num_heads=2, head_size=3).double()
    layers = {"input": "x", "attention": "qkv", "mlp_first": "m1", "mlp_last": "m2"}
    layers |= {"gates_of_slots": "gm", "gates_of_input": "gx"}
    norms = {"attention_norm": "ln0", "slot_norm": "ln1", "mlp_norm": "ln2"}
    with torch.no_grad():
        for ours, theirs in layers.items():
            getattr(core, ours).weight.copy_(w[f"W_{theirs}"])
            if getattr(core, ours).bias is not None:
                getattr(core, ours).bias.copy_(w[f"b_{theirs}"])
        for ours, theirs in norms.items():
            getattr(core, ours).weight.copy_(w[f"{theirs}_w"])
            getattr(core, ours).bias.copy_(w[f"{theirs}_b"])
        # Published are two biases, and beside them a constant 1 in the forget gate.
        core.gates_of_input.bias += w["b_gm"] + torch.tensor([0.0] * 6 + [1.0] * 6)
        core.readout.weight.copy_(torch.eye(18))
        core.readout.bias.zero_()
    assert_golden(core, golden, lambda carry: {"slots": carry["M"]})


@pytest.mark.parametrize(
    "core",
    [
        lambda: LEM(1, 64),
        lambda: IndRNN(1, 64, num_layers=1),
        lambda: CfC(1, 64, backbone_size=64),
        lambda: Elman(1, 64, init="identity"),
        lambda: SLSTM(1, 64, num_layers=1),
        lambda: RMC(1, 64),
    ],
    ids=["lem", "ind_rnn", "cfc", "elman", "slstm", "rmc"],
)
def test_a_state_is_remembered_at_first(core):
    """What was carried in still shows after 100 rows of nothing."""
    torch.manual_seed(0)
    core = core()
    carry = core.initial_carry(2).apply(torch.randn_like)
    _, last = core(torch.zeros(2, 100, 1), carry, torch.zeros(2, 100, dtype=torch.bool))
    first, second = core.carry_features(last)
    assert (first - second).norm() > 0.05 * (
        core.carry_features(carry)[0] - core.carry_features(carry)[1]
    ).norm()
