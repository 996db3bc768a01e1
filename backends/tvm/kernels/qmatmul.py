"""qmatmul: sums of products, requantised; and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.expressions import total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te
from gradlet.backends.tvm.requantize import clamped, scaled_by
from gradlet.ir.ops.qmatmul import depth, factor, letters
from gradlet.ir.requantize import rounding
from gradlet.ir.tensor_type import DType


def _qmatmul(case: Case, a: Read, b: Read) -> Sequence[Result]:
    attrs = case.attrs
    dtype = "int64" if case.result.dtype is DType.I16 else "int32"

    def element(*i: Any) -> Any:
        *batch, row, column = i

        def product(k: Any) -> Any:
            left = (k, row) if attrs.get("transpose_a", False) else (row, k)
            right = (column, k) if attrs.get("transpose_b", False) else (k, column)
            first = a(*batch[: len(case.shape(0)) - 2], *left).astype("int32") - attrs["x1_zero"]
            second = b(*batch[: len(case.shape(1)) - 2], *right).astype("int32") - attrs["x2_zero"]
            return (first * second).astype(dtype)

        return total(product, [depth(case.operands[0].type, attrs)])

    sums = te.compute(case.result.shape, element, name="summed")
    return clamped(case, lambda *i: scaled_by(sums(*i), factor(attrs), rounding(attrs)))


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    own, other, summed = letters(case.attrs)
    (x,), g = found.own, case.shape(0)
    dtype = "float32" if found.unit is None else "int64"
    shares = len(case.result.shape) == 2
    extents = [*(g[:-2] if shares else ()), g["mn".index(summed) - 2]]

    def element(*i: Any) -> Any:
        def product(*r: Any) -> Any:
            batch = r[:-1] if shares else i[:-2]
            at = {own[0]: i[-2], own[1]: i[-1], summed: r[-1]}
            less = x(*batch[: len(x.buffer.type.shape) - 2], at[other[0]], at[other[1]]).astype("int32")
            return found.g(*batch, at["m"], at["n"]).astype(dtype) * (less - case.attrs["zero_point"]).astype(dtype)

        return total(product, extents)

    return finish(case, found, te.compute(case.result.shape, element, name="summed"))


KERNELS = {"qmatmul": Kernel(_qmatmul), "qmatmul_input_grad": Kernel(_input_grad)}
