"""The contract's other half: the carry's form, determinism, autocast, donation, errors, compilation."""

import copy

import pytest
import torch
from core_cases import (
    BATCH,
    INPUT_SIZE,
    LENGTH,
    MEMORY,
    NAMES,
    assert_mostly_close,
    assert_same_carry,
    flags,
    is_number,
    leaves,
    make,
    random_carry,
    random_rows,
    run_steps,
    weighted_sum,
)
from small_cores import FAMILIES

from engram.memory_cores import Resets

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_state_dict_round_trip(name):
    core, other = make(name), make(name, seed=5)
    case = (random_rows(), random_carry(core), flags("random"))
    y, _ = core(*case)
    assert not torch.allclose(other(*case)[0], y)
    other.load_state_dict(core.state_dict())
    assert torch.equal(other(*case)[0], y)


def test_same_seed_same_core_same_output(name):
    core, other = make(name), make(name)
    case = (random_rows(), random_carry(core), flags("random"))
    assert torch.equal(core(*case)[0], other(*case)[0])
    assert torch.equal(core(*case)[0], core(*case)[0])


def test_no_state_on_the_module(name):
    core = make(name)
    before = copy.deepcopy(core.__dict__)
    core(random_rows(), random_carry(core), flags("random"))
    core.step(random_rows()[:, 0], random_carry(core), flags("random")[:, 0])
    assert core.__dict__.keys() == before.keys()
    assert list(core.state_dict()) == list(make(name).state_dict())
    assert all(
        torch.equal(a, b)
        for a, b in zip(core.state_dict().values(), make(name).state_dict().values(), strict=True)
    )


def test_every_parameter_gets_a_gradient(name):
    core = make(name)
    y, last = core(random_rows(), random_carry(core), flags("random"))
    weighted_sum(y, last).backward()
    for key, parameter in core.named_parameters():
        assert parameter.grad is not None and torch.count_nonzero(parameter.grad) > 0, key


def signature(carry):
    return {key: (leaf.shape, leaf.dtype, leaf.device) for key, leaf in leaves(carry).items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_carry_keeps_its_form(name, dtype):
    core = make(name, dtype)
    carry = core.initial_carry(BATCH)
    form = signature(carry)
    for key, leaf in leaves(carry).items():
        assert not is_number(leaf) or leaf.dtype.to_real() == dtype, key
    for length in (1, 3):
        y, carry = core(random_rows(dtype, length), carry, flags("none", length))
        assert signature(carry) == form and y.dtype == dtype
        assert y.shape == (BATCH, length, core.output_size)
    y, carry = core.step(random_rows(dtype)[:, 0], carry, flags("none")[:, 0])
    assert signature(carry) == form and y.shape == (BATCH, core.output_size) and y.dtype == dtype


def test_the_carry_follows_the_parameters_device(name):
    for leaf in leaves(make(name).to("meta").initial_carry(2)).values():
        assert leaf.device.type == "meta"


def test_autocast_keeps_the_carry_and_stays_close(name):
    core = make(name, torch.float32)
    x, carry, is_first = random_rows(torch.float32), random_carry(core), flags("random")
    form, expected = signature(carry), core(x, carry, is_first)[0]
    with torch.autocast("cpu", torch.bfloat16):
        for rows in (x, x.bfloat16()):
            y, last = core(rows, carry, is_first)
            stepped, last_stepped, _ = run_steps(core, rows, carry, is_first)
            assert signature(last) == form and signature(last_stepped) == form
            assert_mostly_close(y, expected)
            torch.testing.assert_close(stepped.float(), y.float(), rtol=0.05, atol=0.05)


def test_donating_steps_equal_copying_steps(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    expected, expected_last, carries = run_steps(core, x, carry, is_first)
    with torch.no_grad():
        y, last, donated = run_steps(core, x, carry.clone(), is_first, donate=True)
    torch.testing.assert_close(y, expected.detach(), **TIGHT)
    assert_same_carry(last, expected_last.detach(), **TIGHT)
    assert_same_carry(torch.stack(donated), torch.stack(carries).detach(), **TIGHT)
    kept = carry.clone()
    core.step(x[:, 0], kept, is_first[:, 0], donate=True)  # with gradients enabled, nothing is overwritten
    assert_same_carry(kept, carry, rtol=0, atol=0)


def test_steps_that_share_constants_equal_those_that_do_not(name):
    """To the bit, and no others read what was made of parameters that have moved."""
    core = make(name)
    case = random_rows(), random_carry(core), flags("random")
    for _ in range(2):
        constants = {}
        expected, last, _ = run_steps(core, *case)
        y, shared, _ = run_steps(core, *case, constants=constants)
        assert torch.equal(y, expected)
        assert_same_carry(shared, last, rtol=0, atol=0)
        with torch.no_grad():
            for parameter in core.parameters():
                parameter.mul_(1.01)


def test_constants_have_gradients():
    core = make("s5")
    case = random_rows(), random_carry(core), flags("random")
    parameters = list(core.parameters())
    totals = [run_steps(core, *case, constants=shared)[0].square().sum() for shared in (None, {})]
    own, of_shared = (torch.autograd.grad(total, parameters) for total in totals)
    torch.testing.assert_close(own, of_shared, **TIGHT)


@pytest.mark.parametrize("name", MEMORY)
def test_carry_features(name):
    core = make(name)
    carry = random_carry(core)
    features = core.carry_features(carry)
    assert features.shape == (BATCH, core.carry_size()) and not features.is_complex()
    _, carries = core(random_rows(), carry, flags("random"), all_carries=True)
    assert core.carry_features(carries).shape == (BATCH, LENGTH, core.carry_size())
    torch.testing.assert_close(core.carry_features(carries)[:, 2], core.carry_features(carries[:, 2]))
    assert not torch.equal(features, core.carry_features(random_carry(core, seed=8)))


def test_a_core_without_memory_says_so():
    core = make("mlp")
    assert core.carry_size() == 0
    with pytest.raises(ValueError, match="MLP keeps none"):
        core.carry_features(core.initial_carry(BATCH))


def test_wrong_arguments_get_a_sentence(name):
    core = make(name)
    x, carry, is_first = random_rows(), core.initial_carry(BATCH), flags("none")
    with pytest.raises(ValueError, match=r"x must have shape \[B, T, 5\].*got \[3, 9, 4\]"):
        core(x[..., :4], carry, is_first)
    with pytest.raises(ValueError, match=r"x must have shape \[B, T, 5\].*got \[3, 0, 5\]"):
        core(x[:, :0], carry, is_first[:, :0])
    with pytest.raises(ValueError, match=r"x must have shape \[B, 5\]"):
        core.step(x, carry, is_first)
    with pytest.raises(ValueError, match=r"is_first must be bool.*float64"):
        core(x, carry, is_first.double())
    with pytest.raises(ValueError, match=r"is_first must be bool of shape \[3, 9\]"):
        core(x, carry, is_first[:, :-1])
    with pytest.raises(ValueError, match=r"batch size \[3\] like x, got \[2\]"):
        core(x, core.initial_carry(2), is_first)
    with pytest.raises(ValueError, match=r"x must be torch.float64 .* got torch.float32"):
        core(x.float(), carry, is_first)
    with pytest.raises(ValueError, match="all_carries"):
        core(x, carry, is_first, all_carries=-1)
    for wrong in (is_first[:, :-1], is_first.double(), is_first.to("meta")):
        with pytest.raises(ValueError, match=r"Resets.host must be a copy .* bool of shape \[3, 9\], got"):
            core(x, carry, Resets(is_first, wrong))
    with pytest.raises(ValueError, match="carry must have the keys"):
        core(x, carry.clone().set("other", torch.zeros(BATCH)), is_first)
    for wrong in (0, -3, 2.5, True, "8", 2**28, 2**63, 10**400):
        with pytest.raises(ValueError, match=r"must be (a whole number from 1 to|a class)"):
            type(core)(INPUT_SIZE, **({"make_layer": None} if name == "stack" else {}), hidden_size=wrong)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sequence_and_a_step_are_one_graph_each(name):
    """Without the compiler, which takes its time: only what stands in the way of a graph."""
    core = make(name, torch.float32)
    x, carry, is_first = random_rows(torch.float32), random_carry(core), flags("random")
    cases = [(core, (x, carry, is_first)), (core.step, (x[:, 0], carry, is_first[:, 0]))]
    for function, case in cases:
        torch._dynamo.reset()
        y, last = torch.compile(function, fullgraph=True, backend="eager")(*case)
        expected, expected_last = function(*case)
        torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
        assert_same_carry(last, expected_last, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_step_compiles_as_one_graph(name):
    core = make(name, torch.float32)
    x, carry, is_first = random_rows(torch.float32)[:, 0], random_carry(core), flags("random")[:, 2]
    torch._dynamo.reset()  # else every core counts as one more recompilation of the same code
    step = torch.compile(core.step, fullgraph=True)
    with torch.no_grad():
        y, last = step(x, carry, is_first)
        expected, expected_last = core.step(x, carry, is_first)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert_same_carry(last, expected_last, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("autocast", [False, True])
def test_sequence_compiles_as_one_graph(name, autocast):
    """Values and gradients of a compiled sequence, in one graph.

    Under autocast rounding alone moves the gradients of a small core by a quarter, as a unit's sign flips: the
    compiled ones must be about as near to those in float32 as the ones that were not compiled.
    """
    core = make(name, torch.float32)
    x, carry, is_first = random_rows(torch.float32, 4), random_carry(core), flags("random", 4)

    def run(function, autocast=autocast):
        core.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y, last = function(x, carry, is_first)
        weighted_sum(y, last).backward()
        return y, last, [parameter.grad.clone() for parameter in core.parameters()]

    torch._dynamo.reset()
    y, last, grads = run(torch.compile(core, fullgraph=True))
    expected, expected_last, eager_grads = run(core)
    tolerance = {"rtol": 0.1, "atol": 0.1} if autocast else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(y, expected, **tolerance)
    assert_same_carry(last, expected_last, **tolerance)
    exact_grads = run(core, autocast=False)[2]
    for grad, eager, exact in zip(grads, eager_grads, exact_grads, strict=True):
        allowed = 1e-4 * exact.abs().max()
        if autocast:
            allowed = 0.2 * exact.abs().max() + 2 * (eager - exact).abs().max()
        assert (grad - exact).abs().max() <= allowed


@pytest.mark.gpu
def test_gpu_equals_cpu(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    y, last = core(x, carry, is_first)
    weighted_sum(y, last).backward()
    expected = [parameter.grad for parameter in core.parameters()]
    core = make(name).cuda()
    moved, moved_last = core(x.cuda(), carry.to("cuda"), is_first.cuda())
    weighted_sum(moved, moved_last).backward()
    torch.testing.assert_close(moved.cpu(), y, **TIGHT)
    assert_same_carry(moved_last.to("cpu"), last, **TIGHT)
    for parameter, grad in zip(core.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad.cpu(), grad, **TIGHT)
