"""fake_quantize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import clamp, result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.ir.axes import axis_of
from gradlet.ir.ops.fake_quantize import limits


def _fake_quantize(case: Case, x: Read, scale: Read) -> Sequence[Result]:
    low, high = map(float, limits(case.attrs))
    axis = axis_of(case.attrs, len(case.result.shape)) if "axis" in case.attrs else None

    def scale_at(indices: Sequence[Any]) -> Any:
        return scale() if axis is None else scale(indices[axis])

    def steps(indices: Sequence[Any]) -> Any:
        return tirx.nearbyint(x(*indices) / scale_at(indices))

    y = result(case, lambda *i: clamp(steps(i), low, high) * scale_at(i))
    return [y, lambda *i: tirx.all(steps(i) >= low, steps(i) <= high)] if case.attrs.get("mask") else [y]


KERNELS = {"fake_quantize": Kernel(_fake_quantize, flat=True)}
