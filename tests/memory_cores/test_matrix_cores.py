"""Cores of matrix memories against published rows and carries."""

import math

import numpy as np
import pytest
import torch
from golden_cases import TIGHT, assert_golden, load_golden, weights_of
from torch.nn.functional import layer_norm, linear, pad

from engram.memory_cores import HGRN2, LayeredCore, Mamba2, MatrixCore
from engram.memory_cores.cores.delta_net import DeltaRule
from engram.memory_cores.cores.fwp import FastWeights
from engram.memory_cores.cores.gated_delta_net import GatedDeltaRule
from engram.memory_cores.cores.gla import GatedAttention
from engram.memory_cores.cores.gsa import SlotAttention
from engram.memory_cores.cores.linear_attention import Attention
from engram.memory_cores.cores.mamba2 import Mixer
from engram.memory_cores.cores.mlstm import MatrixLSTM
from engram.memory_cores.cores.ret_net import Retention
from engram.memory_cores.time_scales import chrono_bias


class Alone(LayeredCore, MatrixCore):
    """A layer without the residual connection and the norm that its core puts around it."""

    def __init__(self, layer, width):
        super().__init__(width, width, [layer])


def assert_layer(layer, golden, names, carry_keys):
    """Hold a layer to a golden file.

    Args:
        layer: Of the golden file's sizes.
        golden: As `load_golden` gives it.
        names: The layer's parameters by their published names.
        carry_keys: The keys of its carry by their published names.
    """
    weights = weights_of(golden)
    layer.double().load_state_dict({own: weights[name] for name, own in names.items()})
    core = Alone(layer, golden["x"].shape[-1])
    assert_golden(
        core, golden, lambda part: {"layer_0": {own: part[name] for name, own in carry_keys.items()}}
    )


HEADS = {"W_q": "query.weight", "W_k": "key.weight", "W_v": "value.weight"}
READ = {"norm_w": "read.norm.weight", "W_o": "read.output.weight"}


def test_ret_net_equals_its_golden_rows():
    layer = Retention(4, 3, 4, time_scales=2.0 ** torch.arange(5, 7, dtype=torch.float64))
    names = HEADS | READ | {"W_g": "read.gate.weight"}
    assert_layer(layer, load_golden("ret_net"), names, {"S": "matrix"})


def side_by_side(arrays, names):
    """What is stored apart for q, k and v, as the one projection and convolution have it."""
    return torch.cat([arrays[name] for name in names], dim=-1 if arrays[names[0]].dim() == 3 else 0)


def assert_delta_rule(layer, golden, names):
    weights = weights_of(golden)
    golden["w.project"] = side_by_side(weights, ["W_q", "W_k", "W_v"])
    golden["w.taps"] = side_by_side(weights, ["cq", "ck", "cv"])
    for when in ("initial", "before", "after"):
        golden[f"carry_{when}.inputs"] = side_by_side(
            golden, [f"carry_{when}.{name}" for name in ("cq", "ck", "cv")]
        )
    names = (
        READ | {"project": "project.weight", "taps": "convolution.weight", "W_b": "strength.weight"} | names
    )
    assert_layer(layer, golden, names, {"S": "matrix", "inputs": "inputs"})


def test_delta_net_equals_its_golden_rows():
    assert_delta_rule(DeltaRule(4, 2, 3, 4, 4, allow_neg_eigval=False), load_golden("delta_net"), {})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gated_delta_rows(layer, x, is_first, strongest):
    """The published equations of one head after the other, row by row in numpy; returns rows and the last matrices."""
    w = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
    heads, keys, values = layer.num_heads, layer.key_size, layer.value_size
    projected, outputs, matrices = x @ w["project.weight"].T, [], np.zeros((len(x), heads, keys, values))
    for b in range(len(x)):
        begin = 0
        for t in range(x.shape[1]):
            begin = t if is_first[b, t] else begin
            taps = [(lag, w["convolution.weight"][:, -1 - lag]) for lag in range(4) if t - lag >= begin]
            mixed = sum(projected[b, t - lag] * tap for lag, tap in taps)
            q, k, v = np.split(mixed * sigmoid(mixed), [heads * keys, 2 * heads * keys])
            gate, row = x[b, t] @ w["read.gate.weight"].T, []
            for h in range(heads):
                q_h, k_h = (part.reshape(heads, keys)[h] for part in (q, k))
                q_h, k_h = (part / np.sqrt(part @ part + 1e-6) for part in (q_h, k_h))
                rate = np.log1p(np.exp(x[b, t] @ w["decay.weight"][h] + w["decay.bias"][h]))
                kept = 0 if t == begin else matrices[b, h] * np.exp(-np.exp(w["log_rate"][h]) * rate)
                beta = strongest * sigmoid(x[b, t] @ w["strength.weight"][h])
                error = beta * (v.reshape(heads, values)[h] - k_h @ (kept + np.zeros((keys, values))))
                matrices[b, h] = kept + np.outer(k_h, error)
                read = q_h @ matrices[b, h] / np.sqrt(keys)
                row.append(w["read.norm.weight"] * read / np.sqrt((read**2).mean() + 1e-5))
            outputs.append((np.concatenate(row) * gate * sigmoid(gate)) @ w["read.output.weight"].T)
    return np.stack(outputs).reshape(x.shape), matrices


@pytest.mark.parametrize("reflects", [False, True])
def test_gated_delta_net_equals_its_equations(reflects):
    torch.manual_seed(0)
    layer = GatedDeltaRule(torch.tensor([2.0, 30.0]), 4, 2, 3, 4, 4, allow_neg_eigval=reflects).double()
    x, is_first = torch.randn(2, 40, 4, dtype=torch.float64), torch.rand(2, 40) < 0.1
    is_first[:, 0] = True
    core = Alone(layer, 4)
    y, carry = core(x, core.initial_carry(2), is_first)
    rows, matrices = gated_delta_rows(layer, x.numpy(), is_first.numpy(), 2.0 if reflects else 1.0)
    np.testing.assert_allclose(y.detach().numpy(), rows, rtol=0, atol=1e-10)
    np.testing.assert_allclose(carry["layer_0", "matrix"].detach().numpy(), matrices, rtol=0, atol=1e-10)


def test_mlstm_equals_its_golden_rows():
    golden = load_golden("mlstm")
    for part in ("w", "b"):
        golden[f"w.gates_{part}"] = torch.cat([golden[f"w.igate_{part}"], golden[f"w.fgate_{part}"]])
    golden["w.outnorm_w"] += 1  # published as its difference from one
    names = {"q": "query.weight", "k": "key.weight", "v": "value.weight", "skip": "skip"}
    names |= {"proj_up": "up.weight", "conv_w": "convolution.weight", "conv_b": "convolution.bias"}
    names |= {"gates_w": "gates.weight", "gates_b": "gates.bias"}
    names |= {"outnorm_w": "head_norm", "proj_down": "output.weight"}
    keys = {"C": "matrix", "n": "normaliser", "m": "maximum", "conv": "inputs"}
    assert_layer(MatrixLSTM(4, 8, 4, torch.zeros(2), depth=1), golden, names, keys)


def popgym_block(name):
    """The golden file of a block of POPGym in the sizes of one head of a layer, whose output is as wide as its input.

    Its norm goes to the inputs, which grow by zeros, and its shortcut is taken off the outputs.
    """
    golden = load_golden(name)
    normal = layer_norm(golden["x"], golden["x"].shape[-1:], golden["w.ln_w"], golden["w.ln_b"])
    missing = golden["y"].shape[-1] - normal.shape[-1]
    return golden | {
        "x": pad(normal, (0, missing)),
        "y": golden["y"] - linear(normal, golden["w.W_s"], golden["w.b_s"]),
        **{key: pad(golden[key], (0, missing)) for key in ("w.W_q", "w.W_k", "w.W_v")},
        "w.W_o": torch.eye(golden["y"].shape[-1], dtype=torch.float64),
    }


def test_linear_attention_equals_its_golden_rows():
    golden = popgym_block("linear_attention")
    for when in ("initial", "before", "after"):
        normaliser = golden[f"carry_{when}.z"].unsqueeze(-1)
        golden[f"carry_{when}.S"] = torch.cat([golden[f"carry_{when}.S"], normaliser], -1).unsqueeze(1)
    names = HEADS | {"W_o": "read.output.weight"}
    assert_layer(Attention(6, 1, 6, 6), golden, names, {"S": "matrix"})


def test_fwp_equals_its_golden_rows():
    golden = popgym_block("fwp")
    for when in ("initial", "before", "after"):
        golden[f"carry_{when}.S"] = golden[f"carry_{when}.S"].mT.unsqueeze(1)
    names = HEADS | {"W_o": "read.output.weight"}
    assert_layer(FastWeights(6, 1, 6, 6), golden, names, {"S": "matrix"})


def test_gla_equals_its_golden_rows():
    names = HEADS | READ | {"W_g": "read.gate.weight", "W_a1": "reduce.weight"}
    names |= {"W_a2": "decay.weight", "b_a2": "decay.bias"}
    assert_layer(GatedAttention(4, 2, 3, 4, 3), load_golden("gla"), names, {"S": "matrix"})


def test_mamba2_equals_its_golden_rows():
    golden = load_golden("mamba2")
    for when in ("initial", "before", "after"):
        golden[f"carry_{when}.S"] = golden[f"carry_{when}.S"].mT
    names = {"W_in": "project.weight", "W_out": "output.weight", "norm_w": "norm", "D": "skip"}
    names |= {"A_log": "log_rate", "dt_bias": "step_bias"}
    names |= {"conv_w": "convolution.weight", "conv_b": "convolution.bias"}
    layer = Mixer(4, 8, 3, 1, 4, torch.ones(2), torch.ones(2))
    assert_layer(layer, golden, names, {"S": "matrix", "conv": "inputs"})


def test_mamba2_of_two_groups_is_the_sum_of_one_of_each():
    """Heads of a group share B and C and are normalised together; the output is linear in the groups."""
    both = Mixer(4, 8, 3, 2, 4, torch.ones(4), torch.ones(4))
    core, x, _, is_first = case_of(Alone(both, 4))
    y, _ = core(x, core.initial_carry(3), is_first)
    expected = 0.0
    for group in range(2):
        one = Mixer(4, 4, 3, 1, 4, torch.ones(2), torch.ones(2)).double()

        def rows(first, width, group=group):
            return torch.arange(first + group * width, first + (group + 1) * width)

        of_inner, of_heads = rows(0, 4), rows(0, 2)
        convolved = torch.cat([rows(0, 4), rows(8, 3), rows(14, 3)])  # v, B, C
        kept = torch.cat([of_inner, 8 + convolved, rows(28, 2)])
        one.project.weight.data = both.project.weight[kept]
        one.convolution.weight.data = both.convolution.weight[convolved]
        one.convolution.bias.data = both.convolution.bias[convolved]
        for name in ("log_rate", "step_bias", "skip"):
            getattr(one, name).data = getattr(both, name)[of_heads]
        one.norm.data, one.output.weight.data = both.norm[of_inner], both.output.weight[:, of_inner]
        alone = Alone(one, 4).double()
        expected = expected + alone(x, alone.initial_carry(3), is_first)[0]
    torch.testing.assert_close(y, expected, **TIGHT)


def by_rows(step, x, is_first, *states):
    """Outputs and last states of an equation of one row, y, states = step(x[t], *states)."""
    outputs = []
    for t in range(x.shape[1]):
        states = [torch.where(is_first[:, t].view(-1, 1, 1, 1), 0.0, state) for state in states]
        y, states = step(x[:, t], *states)
        outputs.append(y)
    return torch.stack(outputs, dim=1), states


def case_of(core, seed=0):
    """A core with parameters that are all felt, rows with resets, and a carry amid an episode."""
    torch.manual_seed(seed)
    core = core.double()
    for parameter in core.parameters():
        parameter.data = torch.randn_like(parameter) / 2
    carry = core.initial_carry(3).apply(torch.randn_like)
    return core, torch.randn(3, 40, core.input_size, dtype=torch.float64), carry, torch.rand(3, 40) < 0.1


def test_hgrn2_equals_its_equations_row_by_row():
    core, x, carry, is_first = case_of(HGRN2(4, 4, num_layers=3, num_heads=2, key_size=3, value_size=4))
    shares = torch.softmax(core.bound_logits, dim=0)
    y, last = core(x, carry, is_first)
    for index, layer in enumerate(core.layers):
        mixer, bound = layer.mixer, shares[1 : index + 1].sum(0)

        def step(u, matrix, mixer=mixer, bound=bound):
            q, f, v = (part.view(3, 2, -1) for part in (mixer.query(u), mixer.key(u), mixer.value(u)))
            f = bound + (1 - bound) * f.sigmoid()
            q = q * q.sigmoid() / math.sqrt(3)
            matrix = f[..., None] * matrix + torch.einsum("bhk,bhv->bhkv", 1 - f, v)
            read = torch.einsum("bhk,bhkv->bhv", q, matrix).flatten(1)
            normal = read / (read.square().mean(-1, keepdim=True) + 1e-5).sqrt() * mixer.read.norm.weight
            return normal @ mixer.read.output.weight.T, [matrix]

        mixed, (matrix,) = by_rows(step, layer.norm(x), is_first, carry[f"layer_{index}", "matrix"])
        x = x + mixed
        torch.testing.assert_close(last[f"layer_{index}", "matrix"], matrix, **TIGHT)
    torch.testing.assert_close(y, x, **TIGHT)


def test_gsa_equals_its_equations_row_by_row():
    layer = SlotAttention(4, 2, 5, 3, 4, max_time_scale=64)
    core, x, carry, is_first = case_of(Alone(layer, 4))

    def step(u, keys, values):
        q, k, v = (part.view(3, 2, -1) for part in (layer.query(u), layer.key(u), layer.value(u)))
        q, k, v = q * q.sigmoid(), k * k.sigmoid(), v * v.sigmoid()
        kept = layer.forget(u).view(3, 2, -1).sigmoid() ** (1 / 8)
        keys = kept[..., None, :] * keys + torch.einsum("bhk,bhm->bhkm", k, 1 - kept)
        values = kept[..., None] * values + torch.einsum("bhm,bhv->bhmv", 1 - kept, v)
        weights = (torch.einsum("bhk,bhkm->bhm", q, keys) / math.sqrt(3)).exp()
        read = torch.einsum("bhm,bhmv->bhv", weights / weights.sum(-1, keepdim=True), values).flatten(1)
        read = read * read.sigmoid()
        normal = read / (read.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.read.norm.weight
        return normal @ layer.read.output.weight.T, [keys, values]

    y, last = core(x, carry, is_first)
    before = carry["layer_0", "keys"], carry["layer_0", "values"]
    expected, (keys, values) = by_rows(step, x, is_first, *before)
    torch.testing.assert_close(y, expected, **TIGHT)
    torch.testing.assert_close(last["layer_0", "keys"], keys, **TIGHT)
    torch.testing.assert_close(last["layer_0", "values"], values, **TIGHT)


@pytest.mark.parametrize("root", [1, 8, 16])
def test_time_scales_of_a_root_of_a_gate(root):
    torch.manual_seed(0)
    kept = chrono_bias(1000, 256, root).double().sigmoid() ** (1 / root)
    scales = 1 / (1 - kept)
    assert 2 <= float(scales.min()) * 1.001 and float(scales.max()) <= 256 * 1.001
    assert 20 < float(scales.log().mean().exp()) < 26  # √(2 · 256) = 22.6


def test_mamba2_begins_with_the_time_scales_asked_for():
    mixer = Mamba2(4, 8, num_layers=1, inner_size=12, num_heads=3, max_time_scale=512).layers[0].mixer
    step = torch.nn.functional.softplus(mixer.step_bias)
    torch.testing.assert_close(1 / (step * mixer.log_rate.exp()), torch.tensor([2.0, 32.0, 512.0]))
