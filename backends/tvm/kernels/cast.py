"""cast: floats lose their fraction and saturate, integers keep their low bits, a mask is x != 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.ir.tensor_type import DType


def _cast(x: Any, source: DType, to: DType) -> Any:
    if to is DType.B1:
        return _nonzero(x, source)
    if source is DType.B1 or to.is_float or not source.is_float:
        return x.astype(to.value)
    return _saturated(x, to)


def _nonzero(x: Any, source: DType) -> Any:
    if source is DType.B1:
        return x
    nonzero = x != tirx.const(0, source.value)
    # The comparison is false for NaN.
    return tirx.any(tirx.isnan(x), nonzero) if source.is_float else nonzero


def _saturated(x: Any, to: DType) -> Any:
    limits = np.iinfo(to.value)
    # The largest float that is no larger than the limit: i32's 2³¹ - 1 itself rounds up in float32.
    high = np.float32(limits.max)
    high = high if int(high) <= limits.max else np.nextafter(high, np.float32(0))
    clipped = tirx.max(tirx.min(x, float(high)), float(limits.min)).astype(to.value)
    whole = tirx.Select(x > float(high), tirx.const(limits.max, to.value), clipped)
    return tirx.Select(tirx.isnan(x), tirx.const(0, to.value), whole)


def _compute(case: Case, x: Read) -> Sequence[Result]:
    source, to = case.operands[0].type.dtype, case.result.dtype
    return [result(case, lambda *i: _cast(x(*i), source, to))]


KERNELS = {"cast": Kernel(_compute, flat=True)}
