"""The differentiable neural computer against its equations, slot by slot in numpy, and what they mean."""

import numpy as np
import torch
from golden_cases import TIGHT

from engram.memory_cores import DNC
from engram.memory_cores.loop.addressing import allocation_weights, linked

BATCH, LENGTH, INPUT, HIDDEN, SLOTS, WORD, READS = 2, 7, 3, 6, 5, 4, 2


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def softmax(value):
    return np.exp(value - value.max()) / np.exp(value - value.max()).sum()


def content(memory, key, strength):
    """C(M, k, β) of the paper, with lengths as of a vector that has a thousandth beside its numbers."""
    length = lambda vector: np.sqrt((vector**2).sum() + 1e-6)  # noqa: E731
    cosines = [slot @ key / (length(slot) * length(key)) for slot in memory]
    return softmax(strength * np.array(cosines))


def reference_row(w, x, s):
    """One environment and one row of Graves et al. (2016), in the order of their methods."""
    from_x, from_rest = w["input.weight"] @ x + w["input.bias"], w["recurrent.weight"]
    i, f, o, g = (from_x + from_rest @ np.concatenate([s["hidden"], *s["reads"]])).reshape(4, HIDDEN)
    cell = sigmoid(f) * s["cell"] + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
    said = list(w["interface.weight"] @ hidden + w["interface.bias"])

    def take(count):
        part = np.array(said[:count])
        del said[:count]
        return part

    read_keys, write_key = [take(WORD) for _ in range(READS)], take(WORD)
    write_vector = take(WORD)
    read_strengths, write_strength = 1 + np.log1p(np.exp(take(READS))), 1 + np.log1p(np.exp(take(1)))[0]
    modes = [softmax(take(3)) for _ in range(READS)]
    erase, free = sigmoid(take(WORD)), sigmoid(take(READS))
    allocation_gate, write_gate = sigmoid(take(1))[0], sigmoid(take(1))[0]
    assert not said

    retention = np.ones(SLOTS)
    for gate, weights in zip(free, s["read_weights"], strict=True):
        retention *= 1 - gate * weights
    last = s["write_weights"]
    usage = (s["usage"] + last - s["usage"] * last) * retention
    allocation, product = np.zeros(SLOTS), 1.0
    for slot in np.argsort(usage, kind="stable"):
        allocation[slot] = (1 - usage[slot]) * product
        product *= usage[slot]
    found = content(s["slots"], write_key, write_strength)
    write = write_gate * (allocation_gate * allocation + (1 - allocation_gate) * found)
    memory = s["slots"] * (1 - np.outer(write, erase)) + np.outer(write, write_vector)
    links = np.zeros((SLOTS, SLOTS))
    for a in range(SLOTS):
        for b in range(SLOTS):
            if a != b:
                links[a, b] = (1 - write[a] - write[b]) * s["links"][a, b] + write[a] * s["precedence"][b]
    precedence = (1 - write.sum()) * s["precedence"] + write
    weights = []
    for mode, key, strength, before in zip(modes, read_keys, read_strengths, s["read_weights"], strict=True):
        backward, forward = links.T @ before, links @ before
        weights.append(mode[0] * backward + mode[1] * content(memory, key, strength) + mode[2] * forward)
    reads = [memory.T @ weight for weight in weights]
    y = w["readout.weight"] @ np.concatenate([hidden, *reads]) + w["readout.bias"]
    after = {"hidden": hidden, "cell": cell, "slots": memory, "usage": usage, "links": links}
    after |= {"precedence": precedence, "write_weights": write}
    return y, after | {"read_weights": np.array(weights), "reads": np.array(reads)}


def make():
    torch.manual_seed(0)
    core = DNC(INPUT, HIDDEN, SLOTS, WORD, READS).double()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.add_(0.7 * torch.randn_like(parameter))
    return core


def test_a_dnc_is_its_equations():
    core, zero = make(), {key: np.zeros(leaf.shape) for key, leaf in make().carry_spec().items()}
    x = torch.randn(BATCH, LENGTH + 6, INPUT, dtype=torch.float64)
    is_first = torch.zeros(BATCH, LENGTH + 6, dtype=torch.bool)
    is_first[0, [3, 8]] = is_first[1, [0, 5, 6]] = True
    with torch.no_grad():
        _, carry = core(x[:, :6], core.initial_carry(BATCH), is_first[:, :6])  # slots are in use by then
        actual, last = core(x[:, 6:], carry, is_first[:, 6:])
    w = {key: value.detach().numpy() for key, value in core.named_parameters()}
    for b in range(BATCH):
        state = {key: value[b].numpy() for key, value in carry.items()}
        for t in range(LENGTH):
            y, state = reference_row(w, x[b, 6 + t].numpy(), zero if is_first[b, 6 + t] else state)
            torch.testing.assert_close(actual[b, t], torch.from_numpy(y), **TIGHT)
        for key, value in state.items():
            torch.testing.assert_close(last[key][b], torch.from_numpy(value), **TIGHT)


def test_the_freest_slot_is_allocated_first():
    usage = torch.tensor([[0.5, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.5, 0.2, 1.0, 1.0]])
    expected = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.1, 0.8, 0.0, 0.0]])
    torch.testing.assert_close(allocation_weights(usage), expected)


def test_usage_that_differs_by_a_rounding_is_a_tie():
    usage = torch.full((1, 4), 0.3)
    expected = allocation_weights(usage)
    for slot in range(4):
        rounded = usage.clone()
        rounded[0, slot] += 1e-7
        torch.testing.assert_close(allocation_weights(rounded), expected, rtol=0, atol=1e-6)


def test_links_lead_through_what_was_written_in_its_order():
    links, precedence = torch.zeros(1, 3, 3), torch.zeros(1, 3)
    for slot in (2, 0, 1):
        links, precedence = linked(links, precedence, torch.eye(3)[slot : slot + 1])
    assert torch.equal(precedence, torch.tensor([[0.0, 1.0, 0.0]]))
    read = torch.tensor([0.0, 0.0, 1.0])  # of slot 2, which was written first
    assert torch.equal(links[0] @ read, torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(links[0] @ (links[0] @ read), torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(links[0].mT @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]))
