"""S5: a stack of diagonal state-space layers, run by a scan that knows about resets."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torch.nn.functional import gelu

from memory_cores.base import (
    MemoryCore,
    one_of,
    pack_carry,
    positive_int,
    real_features,
    select_initial,
    take_rows,
)
from memory_cores.card import CoreCard
from memory_cores.diagonal_ssm import DISCRETIZATIONS, INITIAL_STATES, DiagonalSSM

ACTIVATIONS = ("full_glu", "half_glu1", "half_glu2", "gelu")


class S5(MemoryCore):
    """A stack of S5 layers, each u + activation(SSM(norm(u))).

    Args:
        input_size: Width of the input; a linear layer maps it to `hidden_size` if they differ.
        hidden_size: Width of the layers and of the output. Default: 256.
        state_size: Modes of the state of a layer; with `conj_sym` half as many are stored. Default: 256.
        num_layers: Number of layers. Default: 4.
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

    carry_keys = ("state",)
    card = CoreCard(
        family="scan",
        step_cost="O(I H + L H (H + P)), L layers of P modes",
        training_cost="O(T (I H + L H (H + P))); only O(T L P) elementwise work goes row by row",
        horizon="its slowest modes fade by e in 2 / `dt_min` rows at first; rates are learnt",
        choose_when=(
            "Long sequences and long horizons at little cost, and deep. Not where forgetting must depend on the "
            "input: decay rates are the same whatever comes."
        ),
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 256,
        state_size: int = 256,
        num_layers: int = 4,
        blocks: int = 1,
        conj_sym: bool = True,
        discretization: str = "zoh",
        activation: str = "full_glu",
        prenorm: bool = True,
        postnorm: bool = False,
        clip_eigenvalues: bool = True,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        initial_state: str = "zero",
        state_scale: float | None = None,
    ) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        one_of("discretization", discretization, DISCRETIZATIONS)
        one_of("activation", activation, ACTIVATIONS)
        self.initial_state = one_of("initial_state", initial_state, INITIAL_STATES)
        divisor = positive_int("blocks", blocks) * (2 if conj_sym else 1)
        if positive_int("state_size", state_size) % divisor:
            raise ValueError(
                f"state_size must be a multiple of {divisor} (blocks, times 2 with conj_sym), got "
                f"{state_size}; change one of them."
            )
        if not 0 < dt_min <= dt_max:
            raise ValueError(
                f"dt_min and dt_max must satisfy 0 < dt_min <= dt_max, got {dt_min} and {dt_max}; "
                "the defaults are 0.001 and 0.1."
            )
        if state_scale is not None and not state_scale > 0:
            raise ValueError(
                f"state_scale must be None or more than 0, got {state_scale}; 1 makes states as large as inputs."
            )
        self.num_modes = state_size // 2 if conj_sym else state_size
        self.embed = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        layers = []
        for _ in range(positive_int("num_layers", num_layers)):
            ssm = DiagonalSSM(
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
            layers.append(S5Layer(ssm, hidden_size, activation, prenorm, postnorm))
        self.layers = nn.ModuleList(layers)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return zeros, or what was learned: `state`, complex [B, num_layers, num_modes]."""
        state = self._initial_states().repeat(batch_size, 1, 1)
        return TensorDict({"state": state}, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read real and imaginary parts of all layers' states, [..., 2 * num_layers * num_modes]."""
        return real_features(carry["state"], len(carry.batch_size))

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        u, taken = self.embed(x), []
        for layer, state in zip(self.layers, carry["state"].unbind(1), strict=True):
            u, states = layer(u, state, is_first)
            taken.append(take_rows(states, every))
        return u, pack_carry(is_first, every, state=torch.stack(taken, dim=-2))

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        # The states are small new tensors in any case, so there is nothing to gain from overwriting them.
        u, states = self.embed(x), []
        initial = self._initial_states() if self.initial_state == "learned" else 0.0
        selected = select_initial(is_first, initial, carry["state"])
        for layer, state in zip(self.layers, selected.unbind(1), strict=True):
            assert isinstance(layer, S5Layer)
            u, state = layer.step(u, state)
            states.append(state)
        return u, TensorDict({"state": torch.stack(states, dim=1)}, batch_size=carry.batch_size)

    def _initial_states(self) -> Tensor:
        """Return what the layers' states begin with, complex [num_layers, num_modes]."""
        states = []
        for layer in self.layers:
            assert isinstance(layer, S5Layer)
            states.append(layer.ssm.initial_state())
        return torch.stack(states)


class S5Layer(nn.Module):
    """A state-space model, an activation that mixes channels, and a residual connection.

    Args:
        ssm: The state-space model.
        hidden_size: Width of input and output.
        activation: With g = GELU(v), "full_glu": (W g + b) ⊙ σ(W' g + b'), "half_glu1": g ⊙ σ(W g + b),
            "half_glu2": v ⊙ σ(W g + b), "gelu": g.
        prenorm: Normalise the input.
        postnorm: Normalise the output.
    """

    def __init__(
        self, ssm: DiagonalSSM, hidden_size: int, activation: str, prenorm: bool, postnorm: bool
    ) -> None:
        super().__init__()
        self.ssm = ssm
        self.activation = activation
        self.prenorm = nn.LayerNorm(hidden_size) if prenorm else nn.Identity()
        self.postnorm = nn.LayerNorm(hidden_size) if postnorm else nn.Identity()
        self.value = nn.Linear(hidden_size, hidden_size) if activation == "full_glu" else nn.Identity()
        self.gate = nn.Linear(hidden_size, hidden_size) if activation != "gelu" else nn.Identity()

    def forward(self, u: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Run a sequence: [B, T, hidden_size] and the states after every row, [B, T, P]."""
        v, states = self.ssm(self.prenorm(u), state, is_first)
        return self._mix(u, v), states

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run one row from a state already reset: [B, hidden_size] and [B, P]."""
        v, state = self.ssm.step(self.prenorm(u), state)
        return self._mix(u, v), state

    def _mix(self, u: Tensor, v: Tensor) -> Tensor:
        g = gelu(v)
        if self.activation == "gelu":
            mixed = g
        else:
            mixed = (v if self.activation == "half_glu2" else self.value(g)) * self.gate(g).sigmoid()
        return self.postnorm(u + mixed)
