"""The ops that make gradients of quantised values, and their operands as data: see ir/gradient_epilogue.py."""

from __future__ import annotations

from typing import Any

from gradlet.ir.gradient_epilogue import Operands, operands
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import OpSet

RESCALE = "rescale_gradient"


def makes_gradient(ops: OpSet, node: Node) -> bool:
    """Whether the op ends in the epilogue."""
    return ops[node.op].epilogue is not None


def read(ops: OpSet, node: Node) -> Operands[Value]:
    """The operands of an op that makes a gradient, by what they are."""
    own = ops[node.op].epilogue
    assert own is not None
    return operands(node.inputs, node.attrs, own(node.attrs), lambda v: v.type.dtype.is_float)


def write(found: Operands[Value], attrs: Attrs) -> tuple[list[Value], dict[str, Any]]:
    """The operands in their order, and the attributes that announce them; factors of 1 are left out."""
    optional = [found.mask, found.scale, found.skip, found.skip_unit, found.range]
    first = [found.g] if found.unit is None else [found.g, found.unit]
    flags = {"mask": found.mask, "scale": found.scale, "skip": found.skip}
    kept = {k: v for k, v in attrs.items() if k not in flags and not (k in ("factor", "skip_factor") and v == 1)}
    if found.skip is None:
        kept.pop("skip_factor", None)
    announced = {name: True for name, value in flags.items() if value is not None}
    return [*first, *found.own, *(v for v in optional if v is not None)], {**kept, **announced}
