"""The arguments of kernels that end in gradient_epilogue.h, the same for all of them."""

from __future__ import annotations

from gradlet.backends.tinyengine.kernel import Arg
from gradlet.ir.gradient_epilogue import LIMITS, Operands, operands
from gradlet.ir.graph import Node, Value
from gradlet.ir.tensor_type import DType

# Element types of gradients that kernels take.
GRADIENTS = (DType.F32, *LIMITS)


def operands_of(node: Node, own: int = 0) -> Operands[Value]:
    return operands(node.inputs, node.attrs, own, lambda value: value.type.dtype.is_float)


def suffix(value: Value) -> str:
    """Of the kernel for a gradient of this type."""
    return {DType.F32: "f32", DType.I8: "i8", DType.I16: "i16", DType.I32: "i32"}[value.type.dtype]


def start(node: Node, found: Operands[Value]) -> tuple[Arg, ...]:
    """y, range, g[, g_range]."""
    unit = () if found.unit is None else (found.unit,)
    return node.outputs[0], found.range, found.g, *unit


def constants(found: Operands[Value]) -> tuple[Arg, ...]:
    """mask, scale, skip, skip_range."""
    return found.mask, found.scale, found.skip, found.skip_unit


def formats(node: Node, found: Operands[Value]) -> tuple[Arg, ...]:
    """bits, skip_bits, factor, skip_factor."""
    skip_bits = found.skip.type.dtype.bits if found.skip else 0
    factors = (float(node.attrs.get(name, 1.0)) for name in ("factor", "skip_factor"))
    return node.outputs[0].type.dtype.bits, skip_bits, *factors
