"""The ops that make gradients of quantised values, and their operands as data: see ir/gradient_epilogue.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradlet.ir.gradient_epilogue import Operands, operands
from gradlet.ir.graph import Attrs, Node, Value

RESCALE = "rescale_gradient"
_LINEAR = ("qconv2d", "qdepthwise_conv2d", "qdense")
INPUT_GRADS = frozenset(f"{name}_input_grad" for name in _LINEAR)
# Those that end in the epilogue.
GRADIENTS = INPUT_GRADS | {RESCALE}
# Op -> index of the gradient that is summed: sums of integers are integers, in the unit of that gradient.
SUMS: Mapping[str, int] = {**{f"{name}_weight_grad": 1 for name in _LINEAR}, "gradient_sum": 0}


def read(node: Node) -> Operands[Value]:
    """The operands of one of GRADIENTS, by what they are."""
    weights = int(node.attrs.get("parts", 1)) if node.op in INPUT_GRADS else 0
    return operands(node.inputs, node.attrs, weights, lambda v: v.type.dtype.is_float)


def write(found: Operands[Value], attrs: Attrs) -> tuple[list[Value], dict[str, Any]]:
    """The operands in their order, and the attributes that announce them; factors of 1 are left out."""
    optional = [found.mask, found.scale, found.skip, found.skip_unit, found.range]
    first = [found.g] if found.unit is None else [found.g, found.unit]
    flags = {"mask": found.mask, "scale": found.scale, "skip": found.skip}
    kept = {k: v for k, v in attrs.items() if k not in flags and not (k in ("factor", "skip_factor") and v == 1)}
    if found.skip is None:
        kept.pop("skip_factor", None)
    announced = {name: True for name, value in flags.items() if value is not None}
    return [*first, *found.weights, *(v for v in optional if v is not None)], {**kept, **announced}
