"""quantize, dequantize and requantize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gradlet.backends.tvm.exact import real, rounded_half_away
from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.requantize import clamped, scaled_by
from gradlet.ir.requantize import rounding


def _less(x: Any, zero: int) -> Any:
    return x.astype("int32") - zero


def _quantize(case: Case, x: Read) -> Sequence[Result]:
    nearest = tirx.nearbyint if rounding(case.attrs) == "float" else rounded_half_away
    attrs = (*case.attributes, ("y_zero", case.attrs["zero_point"]))
    return clamped(replace(case, attributes=attrs), lambda *i: nearest(x(*i) / real(case.attrs["scale"])))


def _dequantize(case: Case, x: Read) -> Sequence[Result]:
    attrs = case.attrs
    return [result(case, lambda *i: _less(x(*i), attrs["zero_point"]).astype("float32") * real(attrs["scale"]))]


def _requantize(case: Case, x: Read) -> Sequence[Result]:
    attrs, kind = case.attrs, rounding(case.attrs)
    factor = attrs["x_scale"] / attrs["y_scale"]

    def rounded(*i: Any) -> Any:
        return scaled_by(_less(x(*i), attrs["x_zero"]), factor, kind)

    return clamped(case, rounded)


KERNELS = {
    "quantize": Kernel(_quantize, flat=True),
    "dequantize": Kernel(_dequantize, flat=True),
    "requantize": Kernel(_requantize, flat=True),
}
