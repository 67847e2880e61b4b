"""Cores of matrix memories against published rows and carries."""

import numpy as np
import pytest
import torch
from golden_cases import assert_golden, load_golden, weights_of
from torch.nn.functional import layer_norm, linear, pad

from engram.memory_cores import LayeredCore, MatrixCore
from engram.memory_cores.delta_net import DeltaRule
from engram.memory_cores.fwp import FastWeights
from engram.memory_cores.gated_delta_net import GatedDeltaRule
from engram.memory_cores.linear_attention import Attention
from engram.memory_cores.mlstm import MatrixLSTM
from engram.memory_cores.ret_net import Retention


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
