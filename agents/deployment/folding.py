"""What of a graph hangs on parameters alone, computed once: an exported file changes them no more."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from engram.agents.deployment.aliases import Aliases


def fold(traced: fx.GraphModule) -> fx.GraphModule:
    """Put results in the place of operations on parameters alone, and leave out what no output is made of.

    Args:
        traced: a graph of torch's own operations, in which nothing is written to that is not its own.

    Returns:
        A module of what is left, with the parameters and results that it reads.
    """
    for node in reversed(list(traced.graph.nodes)):
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            traced.graph.erase_node(node)
    aliases, known = Aliases(traced), {}
    for node in traced.graph.nodes:
        if aliases.root(node) in aliases.exposed:
            continue
        if node.op == "get_attr":
            value = _attribute(traced, node)
            if isinstance(value, Tensor):
                known[node] = value.detach()
        elif node.op == "call_function" and node.all_input_nodes:
            if all(one in known for one in node.all_input_nodes):
                arguments = fx.map_arg((node.args, node.kwargs), known.__getitem__)
                known[node] = node.target(*arguments[0], **arguments[1])
    folded = [node for node in known if node.op == "call_function" and isinstance(known[node], Tensor)]
    for index, node in enumerate(folded):
        if any(user not in known for user in node.users):
            name = f"folded_{index}"
            traced.register_buffer(name, known[node].contiguous().clone())
            with traced.graph.inserting_before(node):
                constant = traced.graph.get_attr(name)
            node.replace_all_uses_with(constant)
    traced.graph.eliminate_dead_code()
    left = {
        str(node.target): _attribute(traced, node) for node in traced.graph.nodes if node.op == "get_attr"
    }
    # Numbers without gradients, which a file has no use for; the agent's own parameters stay what they are.
    numbers = {name: one.detach() if isinstance(one, Tensor) else one for name, one in left.items()}
    return fx.GraphModule(numbers, traced.graph)


def _attribute(traced: fx.GraphModule, node: fx.Node) -> Any:
    value: Any = traced
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return value
