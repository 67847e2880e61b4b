"""Recorded updates without graphs, and what they must equal: the same functions with the same optimisers, just run."""

import torch

from engram.agents.optim.groups import make_capturable


class Again:
    """A recorder that records nothing and counts: the function, which works in place, is its own replay."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, function, device):
        self.recorded += 1

        def replay():
            self.replayed += 1
            function()

        return replay


def run_plainly(agent):
    """Let an agent learn as recordings do, one path for all resets and rates in tensors, but without any."""
    for optimizer in agent.optimizers.values():
        make_capturable(optimizer)
    for update in agent.captured_updates.values():
        update._function = _without_host(update._function)


def _without_host(function):
    return lambda host_is_first=None, **inputs: function(**inputs)


def assert_same_state(agent, other):
    state, expected = (_leaves(one.state_dict()) for one in (agent, other))
    assert state.keys() == expected.keys()
    for name, value in state.items():
        given, wanted = torch.as_tensor(value).cpu(), torch.as_tensor(expected[name]).cpu()
        assert torch.equal(given, wanted), name


def _leaves(state, prefix=""):
    found = {}
    for key, value in state.items():
        name = f"{prefix}/{key}"
        found.update(_leaves(value, name) if isinstance(value, dict) else {name: value})
    return found
