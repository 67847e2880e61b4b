import importlib.util
import sys

import pytest
import torch


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
