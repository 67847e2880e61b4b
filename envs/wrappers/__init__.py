"""Native environments around another one: trials of several episodes, random projections, observable twins."""

from engram.envs.wrappers.native_wrapper import NativeWrapper
from engram.envs.wrappers.observable import Observable
from engram.envs.wrappers.projected import Projected
from engram.envs.wrappers.projection import Projection
from engram.envs.wrappers.trials import Trials
from engram.envs.wrappers.wrapping import WRAPPING, wrapped

__all__ = ["WRAPPING", "NativeWrapper", "Observable", "Projected", "Projection", "Trials", "wrapped"]
