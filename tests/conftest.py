import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Worker threads make small tensors slower and sums differ; every test runs on one."""
    torch.set_num_threads(1)
