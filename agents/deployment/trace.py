"""A function of tensors as the list of its operations, for batches so small that all else takes longer than these.

At a batch of one an operation takes a few microseconds, and what Python does between two of them often longer. A trace
holds the operations alone. Those whose results nobody reads are left out, and those that the inputs do not reach, such
as the discretisation of a state space, run anew only when a parameter that they read has another value. They are the
function's own operations in its order, so that results are the same to the bit.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from engram.agents.deployment.aliases import Aliases

# To compare more numbers with what they were takes about as long as to compute with them.
MOST_COMPARED = 4096


class Trace:
    """The operations of a function, in host memory, for inputs of certain shapes.

    Args:
        function: from tensors to tensors; what else it reads are parameters, whose numbers may change at any time.
        inputs: such as it will be given.

    Attributes:
        reads: of every input whether a result depends on it.

    Raises:
        Exception: of any kind, if the function looks at numbers of its inputs, or leaves torch.
    """

    def __init__(self, function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> None:
        # Here, because it takes a second that whoever plays nothing should not wait for.
        from torch.fx.experimental.proxy_tensor import make_fx

        with torch.no_grad():
            made = make_fx(function, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True)
            traced = made(*inputs)
        _leave_out_modes(traced.graph)
        aliases = Aliases(traced)
        _leave_out_conversions(traced.graph)
        _leave_out_unread(traced.graph, aliases)
        self._attributes = {
            node: _attribute(traced, node) for node in traced.graph.nodes if node.op == "get_attr"
        }
        early = self._find_early(traced.graph, aliases)
        read = {node for one in early for node in one.all_input_nodes if node in self._attributes}
        self._compared = [_Compared(self._attributes[node]) for node in read]
        crossing = [node for node in early if any(user not in early for user in node.users)]
        self._compute_early = _program([*self._attributes], early, crossing)
        late = [node for node in traced.graph.nodes if node.op == "call_function" and node not in early]
        placeholders = [node for node in traced.graph.nodes if node.op == "placeholder"]
        self.reads = [bool(node.users) for node in placeholders]
        (output,) = (node for node in traced.graph.nodes if node.op == "output")
        given = [*placeholders, *self._attributes, *crossing]
        self._parameters = list(self._attributes.values())
        self._known: list[Tensor] | None = None
        self._compute = _program(given, late, output.args[0])
        bound = _program(given, late, output.args[0], _binding)
        if _agree(self._compute, bound, [*inputs, *self._find_known()]):
            self._compute = bound

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Compute what the function would."""
        results: Sequence[Tensor] = self._compute(*inputs, *self._find_known())
        return results

    def _find_known(self) -> list[Tensor]:
        """Return the parameters, and what is made of them alone, as they are now."""
        if any([one.has_changed() for one in self._compared]) or self._known is None:
            self._known = [*self._parameters, *self._compute_early(*self._parameters)]
        return self._known

    def _find_early(self, graph: fx.Graph, aliases: Aliases) -> dict[fx.Node, None]:
        """Find the operations on small parameters alone, in order; none whose result is written to or given away."""
        early: dict[fx.Node, None] = {}
        for node in graph.nodes:
            if node.op != "call_function" or aliases.root(node) in aliases.exposed:
                continue
            if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
                continue
            if all(one in early or self._is_small(one, aliases) for one in node.all_input_nodes):
                early[node] = None
        return early

    def _is_small(self, node: fx.Node, aliases: Aliases) -> bool:
        value = self._attributes.get(node)
        return value is not None and value.numel() <= MOST_COMPARED and node not in aliases.exposed


class _Compared:
    """A parameter, and the bytes that it had when it was last looked at: not every optimiser counts what it changes."""

    def __init__(self, parameter: Tensor) -> None:
        self._parameter, self._address, self._bytes = parameter, 0, b""

    def has_changed(self) -> bool:
        """Whether it has other numbers than at the last call."""
        if self._parameter.data_ptr() != self._address:
            value = self._parameter.detach()
            self._address = self._parameter.data_ptr()
            self._numbers = (torch.view_as_real(value) if value.is_complex() else value).numpy()
        before, self._bytes = self._bytes, self._numbers.tobytes()
        return self._bytes != before


def _attribute(traced: fx.GraphModule, node: fx.Node) -> Tensor:
    value = getattr(traced, str(node.target))
    assert isinstance(value, Tensor)
    return value


def _leave_out_modes(graph: fx.Graph) -> None:
    """Take out what switches gradients on and off: nothing here has any."""
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and node.target is torch._C._set_grad_enabled:
            graph.erase_node(node)


def _leave_out_conversions(graph: fx.Graph) -> None:
    """Take out what gives a tensor of some dtype that dtype: the result is the tensor itself."""
    for node in list(graph.nodes):
        if (
            node.target is torch.ops.aten.to.dtype
            and node.meta["val"].dtype == node.args[0].meta["val"].dtype
        ):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _leave_out_unread(graph: fx.Graph, aliases: Aliases) -> None:
    """Take out what no output is made of; what is written to counts if it is read afterwards."""
    read: set[fx.Node] = set()
    for node in reversed(list(graph.nodes)):
        is_read = node in read or any(root in read for root in aliases.written_by(node))
        if node.op in ("output", "placeholder") or is_read:
            read |= {*node.all_input_nodes, *(aliases.root(one) for one in node.all_input_nodes)}
        else:
            graph.erase_node(node)


def _program(
    inputs: Sequence[fx.Node],
    nodes: Iterable[fx.Node],
    outputs: Any,
    bind: Callable[[Any], Any] = lambda target: target,
) -> Callable[..., Sequence[Tensor]]:
    """Compile operations to a function of the values of `inputs`; `bind` says how each operation is called."""
    graph = fx.Graph()
    made = {node: graph.placeholder(node.name) for node in inputs}
    for node in nodes:
        made[node] = graph.node_copy(node, made.__getitem__)
        made[node].target = bind(node.target)
    graph.output(fx.map_arg(outputs, made.__getitem__))
    program: Callable[..., Sequence[Tensor]] = fx.GraphModule({}, graph).forward
    return program


def _binding(target: Any) -> Any:
    """Return what Python calls an operation by; the dispatch of the operation itself takes twice the time."""
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        for place in (torch, torch._C._nn, Tensor):
            found = getattr(place, target._schema.name.removeprefix("aten::"), None)
            if isinstance(found, types.BuiltinFunctionType | types.MethodDescriptorType):
                return found
    return target


def _agree(
    one: Callable[..., Sequence[Tensor]], other: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]
) -> bool:
    """Whether two programs run and give the same."""
    try:
        results = [program(*(value.clone() for value in inputs)) for program in (one, other)]
    except (TypeError, RuntimeError):  # a binding that takes other arguments
        return False
    return all(torch.equal(a, b) for a, b in zip(*results, strict=True))
