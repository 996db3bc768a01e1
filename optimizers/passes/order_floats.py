"""Gives sums of floats beside quantised values a fixed order, so that every backend takes the same steps bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.activations import BOUNDS
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context

# Ops with the same operands and attributes.
_TWINS = {
    "softmax_cross_entropy": "ordered_softmax_cross_entropy",
    "softmax_cross_entropy_grad": "ordered_softmax_cross_entropy_grad",
    "dense": "ordered_dense",
    "matmul": "ordered_dense_input_grad",
    "dense_weight_grad": "ordered_dense_weight_grad",
    "sum": "ordered_dense_bias_grad",
}
# Other ops that sum floats, or compute functions that libraries round differently.
_UNORDERED = frozenset(
    (
        *("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "mean", "avg_pool2d", "mse"),
        *("depthwise_conv2d", "depthwise_conv2d_input_grad", "depthwise_conv2d_weight_grad", "batch_norm_train"),
        *("exp", "log", "pow", "tanh", "sigmoid", "silu", "elu", "gelu", "softmax", "log_softmax", *_TWINS),
    )
)


@dataclass(frozen=True)
class OrderFloats:
    """Puts the ordered twin in the place of the float ops of a graph that has quantised values; comes after fuse."""

    name: ClassVar[str] = "order_floats"

    def run(self, graph: Graph, context: Context) -> bool:
        if not any(v.type.quant for v in graph.values()):
            return False
        changed = False
        for node in [n for n in graph.nodes if _has_twin(n)]:
            emit = Emit(context.ops, graph, node.phase, node.loc, graph.nodes.index(node))
            value = _twin(emit, node)
            value.name = node.outputs[0].name
            graph.replace_uses(node.outputs[0], value)
            graph.remove(node)
            changed = True
        left = sorted({n.op for n in graph.nodes if n.op in _UNORDERED and n.outputs[0].type.dtype.is_float})
        if left:
            context.notes.append(f"backends agree up to rounding only: {', '.join(left)} in floats has no fixed order")
        if changed:
            graph.renumber()
        return changed


def _has_twin(node: Node) -> bool:
    """Twins of matrix products are for two axes; the sum of a bias gradient is that over the first of them."""
    if node.op not in _TWINS or not node.outputs[0].type.dtype.is_float:
        return False
    if node.op.startswith("softmax"):
        return True
    if any(len(v.type.shape) != 2 for v in node.inputs[:2]) or any(node.attrs.get(f"transpose_{k}") for k in "ab"):
        return False
    return node.op != "sum" or (tuple(node.attrs["axis"]) in ((0,), (-2,)) and not node.attrs.get("keepdims", False))


def _twin(emit: Emit, node: Node) -> Value:
    value = emit(_TWINS[node.op], *node.inputs)
    activation = node.attrs.get("activation", "none")
    return value if activation == "none" else _activated(emit, value, BOUNDS[activation])


def _activated(emit: Emit, value: Value, bounds: Sequence[float]) -> Value:
    lo, hi = bounds
    return emit("relu", value) if (lo, hi) == BOUNDS["relu"] else emit("clip", value, lo=lo, hi=hi)


PASS = OrderFloats
