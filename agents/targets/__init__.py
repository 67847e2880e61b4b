"""What values and actions are taught: pure functions of rows."""

from engram.agents.targets.n_step import n_step_returns
from engram.agents.targets.rescaling import rescale, unrescale
from engram.agents.targets.retrace import retrace_returns
from engram.agents.targets.vtrace import VTrace, vtrace

__all__ = ["VTrace", "n_step_returns", "rescale", "retrace_returns", "unrescale", "vtrace"]
