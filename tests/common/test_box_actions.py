"""A policy's numbers between the bounds of a Box: never outside, at the ends exactly, in the space's own dtype."""

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch

from engram.envs import ActionConverter, BoxActions

ENDS = np.array([-1.0, 1.0, -7.0, 7.0, -np.inf, np.inf], np.float32)


def random_bounds(dtype: type, count: int) -> gs.Box:
    """Bounds of every size, signs mixed; with denormal and equal ones, and such whose difference is too large."""
    random, info = np.random.default_rng(0), np.finfo(dtype)
    sizes = 10.0 ** random.uniform(np.log10(info.tiny) - 6, np.log10(info.max), (2, count))
    pairs = (random.choice([-1.0, 1.0], (2, count)) * sizes).astype(dtype)
    pairs[:, :4] = [
        [0, info.smallest_subnormal, -info.max, 3],
        [info.smallest_subnormal, info.tiny, info.max, 3],
    ]
    pairs[1, 4:500] = pairs[0, 4:500]
    return gs.Box(pairs.min(0), pairs.max(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["rescale", "auto", "clip"])
def test_no_action_oversteps_20_000_bounds(dtype: type, mode: str) -> None:
    space = random_bounds(dtype, 20_000)
    convert = BoxActions(space, mode)
    tensors = convert.on(torch.device("cpu"))
    samples = np.random.default_rng(1).normal(0, 1, (20, 20_000)).astype(np.float32)
    for sample in [*samples, *(np.full(20_000, end) for end in ENDS)]:
        for got in (convert(sample), tensors(torch.from_numpy(sample)).numpy()):
            assert got.dtype == dtype
            assert ((got >= space.low) & (got <= space.high)).all()
    if mode == "rescale":
        assert np.array_equal(convert(np.ones(20_000)), space.high)
        assert np.array_equal(convert(-np.ones(20_000)), space.low)
        assert np.array_equal(tensors(torch.ones(20_000)).numpy(), space.high)
        assert np.array_equal(tensors(-torch.ones(20_000)).numpy(), space.low)


def test_a_float64_result_is_within_float32_bounds() -> None:
    # 0.1 in float32 is above 0.1, and 0.7 below: rounding to the dtype must not overstep either.
    space = gs.Box(np.float32(0.1), np.float32(0.7), (1,), np.float32)
    for number in np.linspace(-1, 1, 2001, dtype=np.float32):
        assert space.contains(BoxActions(space)(np.array([number])))


def test_auto_decides_number_by_number() -> None:
    low = np.array([0, 0, -np.inf, -np.inf, -2], np.float32)
    high = np.array([800, np.inf, 5, np.inf, np.finfo(np.float32).max], np.float32)
    convert = BoxActions(gs.Box(low, high), "auto")
    action = np.array([[-1.0] * 5, [0.0] * 5, [1.0] * 5, [9.0] * 5], np.float32)
    expected = [[0, 0, -1, -1, -1], [400, 0, 0, 0, 0], [800, 1, 1, 1, 1], [800, 9, 5, 9, 9]]
    assert convert(action).tolist() == expected
    assert convert.on(torch.device("cpu"))(torch.from_numpy(action)).tolist() == expected


def test_bounds_of_one_leave_numbers_as_they_are() -> None:
    action = np.array([[0.1], [1e-9], [-0.7], [3.0]], np.float32)
    for mode in ("auto", "clip", "rescale"):
        convert = BoxActions(gs.Box(-1, 1, (1,)), mode)
        assert np.array_equal(convert(action), action.clip(-1, 1))
        assert np.array_equal(convert.on(torch.device("cpu"))(torch.from_numpy(action)), action.clip(-1, 1))


@pytest.mark.parametrize(
    "low, high", [(0.0, 800.0), (100.0, 200.0), (0.0, 0.001), (-3.4e38, 3.4e38), (-2.0, 2.0), (0.1, 0.7)]
)
def test_both_ways_to_compute_agree(low: float, high: float) -> None:
    convert = BoxActions(gs.Box(low, high, (3,)))
    action = np.random.default_rng(0).normal(0, 1, (50, 3)).astype(np.float32)
    tensor = convert.on(torch.device("cpu"))(torch.from_numpy(action))
    np.testing.assert_allclose(tensor.numpy(), convert(action), rtol=1e-6, atol=1e-6 * (high / 2 - low / 2))


@pytest.mark.parametrize(
    "space, action, expected",
    [
        (gs.Discrete(3, start=5, dtype=np.int32), np.array([0, 2]), [5, 7]),
        (gs.Discrete(3), np.array([0, 2]), [0, 2]),
        (gs.MultiDiscrete([2, 3], np.uint8, start=[1, 10]), np.array([[0, 2]]), [[1, 12]]),
        (gs.Box(0, 4, (), np.float16), np.array([0.5], np.float32), [3]),
        (gs.Box(0, 4, (2, 1), np.float64), np.zeros((1, 2, 1), np.float32), [[[2], [2]]]),
    ],
)
def test_actions_have_the_dtype_and_shape_of_the_space(space: gs.Space, action, expected: list) -> None:
    given = ActionConverter(space)(action)
    assert given.dtype == space.dtype and given.shape[1:] == space.shape and given.tolist() == expected
    assert space.contains(given[0] if space.shape or isinstance(space, gs.Discrete) else np.asarray(given[0]))
