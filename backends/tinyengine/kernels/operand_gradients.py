"""qadd_input_grad and qmul_input_grad: sums over the axes along which an operand was repeated."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import broadcast_steps, loops, row_major
from gradlet.ir.graph import Node
from gradlet.ir.ops.operand_gradients import factors_of


def _operand_gradient(node: Node) -> Call:
    found = operands_of(node, factors_of(node.op))
    g, (x,) = found.g.type.shape or (1,), found.own or (None,)
    y = (*(1 for _ in range(len(g) - len(node.attrs["shape"]))), *node.attrs["shape"])
    steps = row_major(g), broadcast_steps(x.type.shape, g) if x else [0] * len(g)
    last = len(g) - 1
    kept, summed = [a for a in range(last) if y[a] == g[a]], [a for a in range(last + 1) if y[a] != g[a]]

    def nest(axes: Sequence[int]) -> tuple[int, ...]:
        return loops([g[a] for a in axes], *([s[a] for a in axes] for s in steps))

    row = (y[last], *(s[last] if y[last] == g[last] else 0 for s in steps), nest(kept), nest(summed))
    other = (x, x.type.dtype.bits if x else 0, node.attrs.get("zero_point", 0))
    function = f"operand_gradient_{suffix(found.g)}"
    return call(function, *start(node, found), *other, *constants(found), *row, *formats(node, found))


_KERNEL = Kernel(beside(__file__), _operand_gradient, dtypes=GRADIENTS)

KERNELS = {"qadd_input_grad": _KERNEL, "qmul_input_grad": _KERNEL}
