"""The contract of `MemoryCore`, for every core that has a configuration."""

import pytest
import torch
from core_cases import (
    BATCH,
    KINDS,
    LENGTH,
    MEMORY,
    NAMES,
    assert_same_carry,
    flags,
    gradient_keys,
    is_number,
    leaves,
    make,
    random_carry,
    random_rows,
    requires_grad,
    run_steps,
    weighted_sum,
)

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def results(core, x, carry, is_first, run):
    """Outputs, last carry, and the gradients of their weighted sum to x, the carry and the parameters."""
    x, carry = x.clone().requires_grad_(), requires_grad(core, carry)
    y, last = run(core, x, carry, is_first)
    inputs = {"x": x, **{str(key): carry[key] for key in gradient_keys(core, carry)}}
    inputs |= {key: p for key, p in core.named_parameters() if p.requires_grad}
    grads = torch.autograd.grad(
        weighted_sum(y, last), list(inputs.values()), allow_unused=True, materialize_grads=True
    )
    return y, last, dict(zip(inputs, grads, strict=True))


def assert_same_results(actual, expected, **tolerance):
    torch.testing.assert_close(actual[0], expected[0], **tolerance)
    assert_same_carry(actual[1], expected[1], **tolerance)
    for key, grad in actual[2].items():
        torch.testing.assert_close(
            grad, expected[2][key], msg=lambda text, key=key: f"gradient to {key}: {text}", **tolerance
        )


def sequence(core, x, carry, is_first):
    return core(x, carry, is_first)


def steps(core, x, carry, is_first):
    return run_steps(core, x, carry, is_first)[:2]


def split_at(*places):
    def run(core, x, carry, is_first):
        outputs = []
        for begin, end in zip((0, *places), (*places, x.shape[1]), strict=True):
            y, carry = core(x[:, begin:end], carry, is_first[:, begin:end])
            outputs.append(y)
        return torch.cat(outputs, dim=1), carry

    return run


SPLITS = dict(zip(KINDS, [(5,), (1, 4), (4,), (8,), (2, 3, 6)], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_equals_its_steps_and_its_parts(name, kind):
    """Values and all gradients, from a carry in the middle of an episode."""
    core = make(name)
    case = (core, random_rows(), random_carry(core), flags(kind))
    expected = results(*case, sequence)
    assert_same_results(results(*case, steps), expected, **TIGHT)
    assert_same_results(results(*case, split_at(*SPLITS[kind])), expected, **TIGHT)


def test_sequence_equals_steps_in_float32(name):
    core = make(name, torch.float32)
    x, carry, is_first = random_rows(torch.float32, 60), random_carry(core), flags("random", 60)
    with torch.no_grad():
        y, last = core(x, carry, is_first)
        expected, expected_last, _ = run_steps(core, x, carry, is_first)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    assert_same_carry(last, expected_last, rtol=1e-4, atol=1e-5)


def test_reset_is_a_fresh_start(name):
    core = make(name)
    x, begin = random_rows(), 4
    is_first = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first[:, begin] = True
    y, last = core(x, random_carry(core), is_first)
    fresh, fresh_last = core(x[:, begin:], core.initial_carry(BATCH), torch.zeros_like(is_first[:, begin:]))
    torch.testing.assert_close(y[:, begin:], fresh, **TIGHT)
    assert_same_carry(last, fresh_last, **TIGHT)


@pytest.mark.parametrize(("begin", "together"), [(0, True), (1, False), (4, True), (LENGTH - 1, False)])
def test_nothing_reaches_past_a_reset(name, begin, together):
    """Values after a reset are the same to the bit, and gradients finite, whatever came before it."""
    core = make(name)
    environments = slice(None) if together else slice(0, 1)
    is_first = flags("random")
    is_first[environments, begin] = True

    def after_reset(before):
        x, carry = random_rows(), random_carry(core)
        x[environments, :begin] *= before
        for leaf in leaves(carry).values():
            if is_number(leaf):
                leaf[environments] *= before
        x, carry = x.requires_grad_(), requires_grad(core, carry)
        y, last = core(x, carry, is_first)
        carried = [carry[key] for key in gradient_keys(core, carry)]
        # With a poisoned row of x, its product with a zero gradient is in every parameter's.
        parameters = [p for p in core.parameters() if p.requires_grad and begin == 0]
        y, last = y[environments, begin:], last[environments]
        by_x, *grads = torch.autograd.grad(
            weighted_sum(y, last), [x, *carried, *parameters], materialize_grads=True
        )
        by_carry = [grad[environments] for grad in grads[: len(carried)] if begin == 0]
        return y, last, [by_x[environments, begin:], *by_carry, *grads[len(carried) :]]

    expected, expected_last, expected_grads = after_reset(1.0)
    for poison in (torch.nan, 1e3 if together else torch.inf):
        y, last, grads = after_reset(poison)
        assert torch.equal(y, expected)
        assert_same_carry(last, expected_last, rtol=0, atol=0)
        for grad, expected_grad in zip(grads, expected_grads, strict=True):
            assert torch.isfinite(grad).all()
            torch.testing.assert_close(grad, expected_grad, **TIGHT)


def test_no_gradient_reaches_past_a_reset(name):
    core = make(name)
    x, carry = random_rows().requires_grad_(), requires_grad(core, random_carry(core))
    is_first = flags("together")
    begin = int(is_first[0].nonzero())
    y, last = core(x, carry, is_first)
    inputs = [x, *(carry[key] for key in gradient_keys(core, carry))]
    grads = torch.autograd.grad(weighted_sum(y[:, begin:], last), inputs, materialize_grads=True)
    assert torch.count_nonzero(grads[0][:, :begin]) == 0
    assert all(torch.count_nonzero(grad) == 0 for grad in grads[1:])


def test_step_forgets_a_poisoned_carry(name):
    core = make(name)
    x, is_first = random_rows()[:, 0], torch.ones(BATCH, dtype=torch.bool)
    poisoned = random_carry(core).apply(lambda leaf: leaf * torch.nan if is_number(leaf) else leaf)
    y, carry = core.step(x, poisoned, is_first)
    expected, expected_carry = core.step(x, core.initial_carry(BATCH), is_first)
    assert torch.equal(y, expected)
    assert_same_carry(carry, expected_carry, rtol=0, atol=0)


def test_outputs_are_causal(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    y, _ = core(x, carry, is_first)
    for t in (0, 3, LENGTH - 2):
        changed = x.clone()
        changed[:, t + 1 :] = torch.nan
        torch.testing.assert_close(core(changed, carry, is_first)[0][:, : t + 1], y[:, : t + 1], **TIGHT)


def test_environments_are_independent(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    y, last = core(x, carry, is_first)
    poisoned = x.clone()
    poisoned[1] = torch.nan
    others = [0, 2]
    assert torch.equal(core(poisoned, carry, is_first)[0][others], y[others])
    alone, alone_last = core(x[others], carry[others], is_first[others])
    torch.testing.assert_close(alone, y[others], **TIGHT)
    assert_same_carry(alone_last, last[others], **TIGHT)


@pytest.mark.parametrize("name", MEMORY)
def test_the_carry_matters_until_a_reset(name):
    core = make(name)
    x = random_rows()
    y, _ = core(x, random_carry(core), flags("together"))
    other, _ = core(x, random_carry(core, seed=9), flags("together"))
    assert not torch.allclose(y[:, 0], other[:, 0])
    after, others = y[:, LENGTH // 2 :], other[:, LENGTH // 2 :]
    if name == "hcam":  # unrolls its store as far as the longest carried episode goes, and rounds accordingly
        torch.testing.assert_close(after, others, rtol=0, atol=1e-13)
    else:
        assert torch.equal(after, others)


def test_inputs_are_not_modified(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    before = x.clone(), carry.clone(), is_first.clone()
    core(x, carry, is_first, all_carries=True)
    core.step(x[:, 0], carry, is_first[:, 0])
    run_steps(core, x, core.step(x[:, 0], carry, is_first[:, 0])[1], is_first, donate=True)
    assert torch.equal(x, before[0]) and torch.equal(is_first, before[2])
    assert_same_carry(carry, before[1], rtol=0, atol=0)


def test_all_carries_are_those_of_the_steps(name):
    core = make(name)
    x, carry, is_first = random_rows(), random_carry(core), flags("random")
    expected, _, kept = run_steps(core, x, carry, is_first)
    for every in (True, 3, 4, LENGTH, LENGTH + 1):
        y, carries = core(x, carry, is_first, all_carries=every)
        torch.testing.assert_close(y, expected, **TIGHT)
        assert carries.batch_size == (BATCH, LENGTH // every)
        for index, after in enumerate(kept[int(every) - 1 :: every]):
            assert_same_carry(carries[:, index], after, **TIGHT)


def test_gradients_through_all_carries(name):
    core = make(name)

    def run(one_call):
        x, carry = random_rows().requires_grad_(), requires_grad(core, random_carry(core))
        is_first = flags("random")
        if one_call:
            y, carries = core(x, carry, is_first, all_carries=2)
            parts = [carries[:, index] for index in range(LENGTH // 2)]
        else:
            y, _, kept = run_steps(core, x, carry, is_first)
            parts = kept[1::2]
        total = sum(weighted_sum(y, part, seed) for seed, part in enumerate(parts))
        inputs = [x, *(carry[key] for key in gradient_keys(core, carry)), *core.parameters()]
        return torch.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True)

    for actual, expected in zip(run(True), run(False), strict=True):
        torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("kind", ["none", "random"])
def test_gradcheck(name, kind):
    core = make(name, hidden_size=4, state_size=4, memory_size=2, num_layers=1)
    x, carry = random_rows(length=4), requires_grad(core, random_carry(core))
    keys = gradient_keys(core, carry)

    def outputs(x, *values):
        inner = carry.clone()
        for key, value in zip(keys, values, strict=True):
            inner[key] = value
        y, last = core(x, inner, flags(kind, length=7)[:, :4])
        return (y, *(last[key] for key in keys))

    x = x.requires_grad_()
    assert torch.autograd.gradcheck(outputs, (x, *(carry[key] for key in keys)), fast_mode=True)
