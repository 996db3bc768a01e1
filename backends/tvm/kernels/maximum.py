"""maximum, minimum and their gradient; pow."""

from __future__ import annotations

from typing import Any

from gradlet.backends.tvm.expressions import pointwise, select
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.graph import Attrs


def _maximum(attrs: Attrs, a: Any, b: Any) -> Any:
    """Comparisons with NaN are false, and it stays."""
    return tirx.Select(tirx.any(a > b, tirx.isnan(a)), a, b)


def _minimum(attrs: Attrs, a: Any, b: Any) -> Any:
    return tirx.Select(tirx.any(a < b, tirx.isnan(a)), a, b)


def _maximum_grad(attrs: Attrs, g: Any, a: Any, b: Any) -> Any:
    return select(a > b, g, select(a == b, 0.5 * g, 0.0))


KERNELS = {
    "maximum": pointwise(_maximum),
    "minimum": pointwise(_minimum),
    "maximum_grad": pointwise(_maximum_grad),
    "pow": pointwise(lambda attrs, a, b: te.power(a, b)),
}
