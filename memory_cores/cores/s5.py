"""S5: a stack of diagonal state-space layers, run by a scan that knows about resets."""

from typing import Literal

from engram.common.checked import require
from engram.common.option_types import Positive, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.layered_core import LayeredCore
from engram.memory_cores.scan_core import ScanCore
from engram.memory_cores.state_space import Activation, Discretization, StateSpaceLayer
from engram.memory_cores.state_space.s5_ssm import S5SSM


class S5(LayeredCore, ScanCore):
    """A stack of S5 layers, each u + activation(SSM(norm(u))).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        state_size: Modes of the state of a layer; with `conj_sym` half as many are stored. Default: 256.
        num_layers: Number of layers. Default: 2.
        blocks: Equal HiPPO blocks the initial state matrix is made of. Default: 1.
        conj_sym: Store one of each conjugate pair of modes. Default: True.
        discretization: "zoh" or "bilinear". Default: "zoh".
        activation: "full_glu", "half_glu1", "half_glu2" or "gelu". Default: "full_glu".
        prenorm: Normalise each layer's input. The published POPGym runs had no norm. Default: True.
        postnorm: Normalise each layer's output, with a norm of its own. Default: False.
        clip_eigenvalues: Hold the real parts below −1e−4. Without it one may drift above zero, |Ā| > 1,
            and the state explodes within an episode of a thousand rows. Default: True.
        dt_min: Smallest initial time step. Default: 0.001.
        dt_max: Largest initial time step. Default: 0.1.
        initial_state: What an episode begins with, "zero" or "learned" (from zero). Default: "zero".
        state_scale: Deviation that inputs of unit variance give the states at first: with 1 and more, what was
            seen in a single row long ago is not drowned by the row at hand. Default: None, as published,
            where a single row moves the states by about its time step, 0.001 to 0.1.

    Source: Smith et al., "Simplified state space layers for sequence modeling", 2023; with resets: Lu et
    al., "Structured state space models for in-context reinforcement learning", 2023; with postnorm, blocks,
    bilinear discretization and a learned initial state it is the stack of R2I: Samsami et al., "Mastering
    memory tasks with world models", 2024.
    """

    card = CoreCard(
        family="scan",
        step_cost="O(I H + L H (H + P)), L layers of P modes",
        training_cost="O(T (I H + L H (H + P))); only O(T L P) elementwise work goes row by row",
        memory_length="its slowest modes fade by e in 2 / `dt_min` rows at first; rates are learnt",
        choose_when=(
            "Sequences and horizons are long, and time is short. Not where forgetting must depend on the input: decay "
            "rates are the same whatever comes."
        ),
        shown_by="popgym/repeat_previous_medium",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 256,
        state_size: Size = 256,
        num_layers: Size = 2,
        blocks: Size = 1,
        conj_sym: bool = True,
        discretization: Discretization = "zoh",
        activation: Activation = "full_glu",
        prenorm: bool = True,
        postnorm: bool = False,
        clip_eigenvalues: bool = True,
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        initial_state: Literal["zero", "learned"] = "zero",
        state_scale: Positive | None = None,
    ) -> None:
        divisor = blocks * (2 if conj_sym else 1)
        multiple = f"a multiple of {divisor} (blocks, times 2 with conj_sym)"
        require(state_size % divisor == 0, "state_size", multiple, state_size, self)
        require(dt_min <= dt_max, "dt_min", f"at most dt_max ({dt_max:g})", dt_min, self)

        def layer() -> StateSpaceLayer:
            ssm = S5SSM(
                hidden_size,
                state_size,
                blocks,
                conj_sym,
                discretization,
                clip_eigenvalues,
                dt_min,
                dt_max,
                learned_initial=initial_state == "learned",
                state_scale=state_scale,
            )
            return StateSpaceLayer(ssm, hidden_size, activation, prenorm, postnorm)

        super().__init__(input_size, hidden_size, (layer() for _ in range(num_layers)))
