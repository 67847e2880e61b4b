import functools
import importlib.util
import itertools
import random
import sys
import zlib

import gymnasium.utils.seeding
import numpy as np
import pytest
from pretended_cuda.plugin import machine, pytest_collection_finish  # before torch

import torch  # isort: skip

__all__ = ["machine", "pytest_collection_finish"]


def pytest_collection_modifyitems(items):
    """Skip the tests of the real Memory Maze where its packages cannot be had; elsewhere a missing one fails."""
    if sys.version_info < (3, 13) or importlib.util.find_spec("labmaze") is not None:
        return
    skip = pytest.mark.skip(reason="the real Memory Maze needs labmaze, which has no wheel for Python 3.13")
    for item in items:
        if item.get_closest_marker("real_maze"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def one_thread():
    """Worker threads make small tensors slower and sums differ; every test runs on one."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_draws(request, monkeypatch):
    """Every test draws the same numbers each time, whatever ran before it: a failure can be had again.

    Gymnasium's spaces and environments take a seed of the system's if they are given none; here they count up.
    """
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    seeds, make = itertools.count(seed), gymnasium.utils.seeding.np_random

    @functools.wraps(make)
    def np_random(seed=None):
        return make(next(seeds) if seed is None else seed)

    monkeypatch.setattr(gymnasium.utils.seeding, "np_random", np_random)
