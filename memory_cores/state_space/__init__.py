"""State-space models, and the layer that wraps one: what S4D, S5 and LRU share."""

from engram.memory_cores.state_space.diagonal_ssm import DiagonalSSM, interleave
from engram.memory_cores.state_space.discretization import Discretization, Rule, discretize, unit_deviation
from engram.memory_cores.state_space.layer import Activation, StateSpaceLayer, StateSpaceModel
from engram.memory_cores.state_space.transition import Modes

__all__ = [
    "Activation",
    "DiagonalSSM",
    "Discretization",
    "Modes",
    "Rule",
    "StateSpaceLayer",
    "StateSpaceModel",
    "discretize",
    "interleave",
    "unit_deviation",
]
