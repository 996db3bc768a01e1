"""qadd_input_grad and qmul_input_grad: sums over the axes along which an operand was repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.expressions import broadcast, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te
from gradlet.ir.ops.operand_gradients import factors_of


def _operand_gradient(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, factors_of(case.op))
    g, y = case.shape(0), case.result.shape
    extra = len(g) - len(y)
    summed = [a for a, n in enumerate(g) if a < extra or y[a - extra] != n]
    # A sum of bytes may exceed 32 bits.
    dtype = "float32" if found.unit is None else "int64"

    def product(kept: Sequence[Any], others: Sequence[Any]) -> Any:
        over = dict(zip(summed, others, strict=True))
        i = [over[a] if a in over else kept[a - extra] for a in range(len(g))]
        p = found.g(*i).astype(dtype)
        for x in found.own:
            p = p * (broadcast(x.read, x.buffer.type.shape, i).astype("int32") - case.attrs["zero_point"]).astype(dtype)
        return p

    if not summed:
        return finish(case, found, lambda *i: product(i, ()))
    sums = te.compute(y, lambda *i: total(lambda *r: product(i, r), [g[a] for a in summed]), name="summed")
    return finish(case, found, sums)


KERNELS = {"qadd_input_grad": Kernel(_operand_gradient), "qmul_input_grad": Kernel(_operand_gradient)}
