"""Merges the steps of a gradient of a quantised value into the op that makes it: scales, masks, and sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gradlet.ir.gradient_epilogue import Operands
from gradlet.ir.graph import Graph, Node, Phase, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import only_user
from gradlet.optimizers.quantized_gradients import RESCALE, makes_gradient, read, write


@dataclass(frozen=True)
class FuseGradients:
    """Applies every merge as often as it fits; comes before quantize_gradients."""

    name: ClassVar[str] = "fuse_gradients"

    def run(self, graph: Graph, context: Context) -> bool:
        changed = False
        for node in [n for n in graph.nodes if n.phase is Phase.BACKWARD]:
            merged: _Gradient | None = None
            if node.op == "add":
                merged = _sum(graph, context.ops, node)
            elif node.op == RESCALE:
                merged = _Gradient.of(context.ops, node)
            while merged and (more := _merged(graph, context, merged)):
                merged = more
            if merged and (merged.absorbed or merged.op != node.op):
                merged.put(graph, context, node)
                changed = True
        if changed:
            graph.renumber()
        return changed


@dataclass(frozen=True)
class _Gradient:
    """A node to be.

    Attributes:
        absorbed: The nodes whose work it does besides its own.
        loc: That of the first of them, whose layer makes the gradient.
    """

    op: str
    operands: Operands[Value]
    attrs: dict[str, Any]
    shape: tuple[int, ...]
    loc: str
    absorbed: tuple[Node, ...] = ()

    @staticmethod
    def of(ops: OpSet, node: Node) -> _Gradient:
        return _Gradient(node.op, read(ops, node), dict(node.attrs), node.outputs[0].type.shape, node.loc)

    def factor(self, name: str = "factor") -> float:
        return float(self.attrs.get(name, 1.0))

    def put(self, graph: Graph, context: Context, node: Node) -> None:
        """Takes the place of a node and of what it absorbed."""
        inputs, attrs = write(self.operands, self.attrs)
        emit = Emit(context.ops, graph, Phase.BACKWARD, self.loc, graph.nodes.index(node))
        graph.replace_uses(node.outputs[0], emit(self.op, *inputs, **attrs))
        for old in (node, *self.absorbed):
            graph.remove(old)


def _sum(graph: Graph, ops: OpSet, add: Node) -> _Gradient | None:
    """add(a, b) -> a with b as its skip, for the operand with more to do; by an op of its own if there is none."""
    makers = [v.producer for v in add.inputs]
    if add.inputs[0].type != add.inputs[1].type or not any(m and makes_gradient(ops, m) for m in makers):
        return None
    for k in sorted((0, 1), key=lambda k: (maker := makers[k]) is None or maker.op == RESCALE):
        maker = makers[k]
        if maker and makes_gradient(ops, maker) and only_user(add.inputs[k], graph.outputs):
            made = _Gradient.of(ops, maker)
            if not any((made.operands.mask, made.operands.scale, made.operands.skip)):
                return _with_skip(graph, ops, replace(made, absorbed=(maker,)), add.inputs[1 - k])
    nothing = Operands(add.inputs[0], None, (), None, None, None, None, None)
    return _with_skip(graph, ops, _Gradient(RESCALE, nothing, {}, add.outputs[0].type.shape, add.loc), add.inputs[1])


def _with_skip(graph: Graph, ops: OpSet, made: _Gradient, skip: Value) -> _Gradient:
    """Adds a gradient; where that is another one times a number, this other one is added instead."""
    maker, factor, absorbed = skip.producer, 1.0, made.absorbed
    if maker and only_user(skip, graph.outputs) and (number := _factor(ops, maker)) is not None:
        skip, factor, absorbed = maker.inputs[0], number, (*absorbed, maker)
    return replace(
        made,
        operands=replace(made.operands, skip=skip),
        attrs={**made.attrs, "skip_factor": factor},
        absorbed=absorbed,
    )


def _merged(graph: Graph, context: Context, made: _Gradient) -> _Gradient | None:
    """Together with what makes the gradient it starts from, if nothing else reads that."""
    maker = made.operands.g.producer
    if made.op != RESCALE or maker is None or maker.phase is not Phase.BACKWARD:
        return None
    if not only_user(made.operands.g, graph.outputs):
        return None
    if makes_gradient(context.ops, maker):
        return _chained(replace(_Gradient.of(context.ops, maker), absorbed=(maker,)), made)
    if maker.op == "scale":
        return _times(made, maker.inputs[0], float(maker.attrs["factor"]), maker)
    if maker.op == "broadcast_to" and len(maker.inputs[0].type.shape) == len(made.shape):
        repeated = replace(made, attrs={**made.attrs, "shape": made.shape})
        return _times(repeated, maker.inputs[0], 1.0, maker)
    return _before_reshape(graph, context, maker, made) if maker.op == "reshape" else None


def _factor(ops: OpSet, node: Node) -> float | None:
    """The number by which it multiplies, if it does nothing else."""
    if node.op != RESCALE or "shape" in node.attrs:
        return None
    made = _Gradient.of(ops, node)
    return None if any((made.operands.mask, made.operands.scale, made.operands.skip)) else made.factor()


def _times(made: _Gradient, g: Value, factor: float, *absorbed: Node) -> _Gradient:
    """The gradient that starts from `g` times a number."""
    attrs = {**made.attrs, "factor": made.factor() * factor}
    operands = replace(made.operands, g=g)
    return replace(made, operands=operands, attrs=attrs, absorbed=(*made.absorbed, *absorbed))


def _before_reshape(graph: Graph, context: Context, reshape: Node, made: _Gradient) -> _Gradient | None:
    """reshape(g * factor) as reshape(g) * factor, which merges."""
    maker = reshape.inputs[0].producer
    if maker is None or not only_user(reshape.inputs[0], graph.outputs) or maker.phase is not Phase.BACKWARD:
        return None
    factor = float(maker.attrs["factor"]) if maker.op == "scale" else _factor(context.ops, maker)
    if factor is None:
        return None
    emit = Emit(context.ops, graph, Phase.BACKWARD, reshape.loc, graph.nodes.index(reshape))
    return _times(made, emit("reshape", maker.inputs[0], **reshape.attrs), factor, reshape, maker)


def _chained(first: _Gradient, second: _Gradient) -> _Gradient | None:
    """One op for two, if it can: sums come before scales, and there is room for one scale and one mask."""
    a, b = first.operands, second.operands
    late = a.mask is not None or a.scale is not None
    if (a.mask and b.mask) or (a.scale and b.scale) or (b.skip and (late or a.skip)):
        return None
    if "shape" in second.attrs and (late or a.skip or first.op != RESCALE):
        return None
    attrs = {**first.attrs, **{k: v for k, v in second.attrs.items() if k == "shape"}}
    attrs["factor"] = first.factor() * second.factor()
    attrs["skip_factor"] = first.factor("skip_factor") * second.factor() if a.skip else second.factor("skip_factor")
    merged = replace(a, mask=a.mask or b.mask, scale=a.scale or b.scale, skip=a.skip or b.skip)
    return _Gradient(first.op, merged, attrs, second.shape, first.loc, second.absorbed + first.absorbed)


PASS = FuseGradients
