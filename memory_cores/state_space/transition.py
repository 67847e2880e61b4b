"""The transitions of modes, and how strongly inputs drive them, made of parameters: one kernel on a CUDA device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.common.second_order import needs_graph, reference_gradients
from engram.common.tracing import is_traced
from engram.memory_cores.state_space.discretization import Rule, discretize


class Modes(NamedTuple):
    """The parameters of modes, [*] each, and the rule by which they are read."""

    rule: Rule
    decay: Tensor
    frequency: Tensor
    logarithm: Tensor

    def transition(self) -> tuple[Tensor, Tensor]:
        """Compute Ā and the scale from parameters cast to float64, [*].

        An error of Ā is multiplied by the rows that a mode remembers, thousands of them.
        """
        rule, decay, frequency = self.rule, self.decay.double(), self.frequency.double()
        if rule.method == "exponential":
            exponent = torch.complex(-decay.exp(), frequency.exp())
            return exponent.exp(), self.logarithm.double().exp()
        if rule.log_decay:
            decay = -decay.exp()
        elif rule.max_decay is not None:
            decay = decay.clamp(max=rule.max_decay)
        return discretize(torch.complex(decay, frequency), self.logarithm.double().exp(), rule.method)

    def rounded(self) -> tuple[Tensor, Tensor]:
        """Compute `transition` in the dtype of the states, complex64 at least."""
        if self.decay.is_cuda and not is_traced():
            return _Transition.apply(*self)
        dtype = torch.promote_types(self.decay.dtype, torch.complex64)
        transition, scale = self.transition()
        return transition.to(dtype), scale.to(dtype)


class _Transition(torch.autograd.Function):
    """`Modes.rounded` by one kernel, its reverse by another."""

    @staticmethod
    def forward(
        ctx: Any, rule: Rule, decay: Tensor, frequency: Tensor, logarithm: Tensor
    ) -> tuple[Tensor, Tensor]:
        from engram.memory_cores.state_space import cuda

        ctx.rule = rule
        ctx.save_for_backward(decay, frequency, logarithm)
        return cuda.transition_forward(rule, decay, frequency, logarithm)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        parameters, needed = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if needs_graph(*grads):
            dtype = grads[0].dtype

            def reference(*parameters: Tensor) -> tuple[Tensor, ...]:
                return tuple(part.to(dtype) for part in Modes(ctx.rule, *parameters).transition())

            return None, *reference_gradients(reference, parameters, needed, grads)
        from engram.memory_cores.state_space import cuda

        return None, *cuda.transition_backward(ctx.rule, *parameters, *grads)
