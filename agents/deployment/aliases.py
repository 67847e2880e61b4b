"""Which results of a graph's operations share memory, and which memory is written to."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx


class Aliases:
    """The memory behind the nodes of a graph.

    Args:
        traced: of operations of torch's own.

    Attributes:
        exposed: roots whose memory is written to, or leaves the graph as an output or a part of one.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        self._roots: dict[fx.Node, fx.Node] = {}
        attributes: dict[str, fx.Node] = {}
        for node in traced.graph.nodes:
            source = next(iter(_aliased(node)), None)
            if node.op == "get_attr":
                self._roots[node] = attributes.setdefault(str(node.target), node)
            else:
                self._roots[node] = node if source is None else self._roots[source]
        self.exposed = {root for node in traced.graph.nodes for root in self.written_by(node)}
        (output,) = (node for node in traced.graph.nodes if node.op == "output")
        self.exposed |= {self._roots[node] for node in output.all_input_nodes}

    def root(self, node: fx.Node) -> fx.Node:
        """Return the node whose memory a node is a view of; by default itself."""
        return self._roots[node]

    def written_by(self, node: fx.Node) -> set[fx.Node]:
        """Return the roots of what a node writes to."""
        return {self._roots[given] for argument, given in _arguments(node) if argument.is_write}


def _arguments(node: fx.Node) -> Iterator[tuple[Any, fx.Node]]:
    """Yield what the schema of an operation says of each node among its arguments that may be shared or written to."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    for index, argument in enumerate(node.target._schema.arguments):
        if argument.alias_info is None:
            continue
        given = node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)
        for one in given if isinstance(given, (list, tuple)) else (given,):
            if isinstance(one, fx.Node):
                yield argument.alias_info, one


def _aliased(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the nodes that share memory with a node's result."""
    if node.target is operator.getitem:
        yield node.args[0]  # type: ignore[misc]
    elif isinstance(node.target, torch._ops.OpOverload):
        if any(result.alias_info is not None for result in node.target._schema.returns):
            yield from (given for _, given in _arguments(node))
