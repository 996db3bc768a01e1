"""Update rules: parameters, moments and counters change where they lie, when they are due.

Steps of quantised networks are the same bit for bit everywhere: sgd, momentum and accumulate round each product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.due import if_due
from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import c_function, result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.schedules import vectors
from gradlet.ir.updates import moment_region, region


def _decayed(case: Case, g: Any, w: Any) -> Any:
    decay = case.attrs.get("weight_decay", 0.0)
    return g + product(w, real(decay)) if decay else g


def _sgd(case: Case, w: Read, g: Read, lr: Read, *micro: Read) -> Sequence[Result]:
    def element(*i: Any) -> Any:
        return if_due(case, micro, w(*i) - product(lr(), _decayed(case, g(*i), w(*i))), w(*i))

    return [result(case, element)]


def _momentum(case: Case, w: Read, g: Read, v: Read, lr: Read, *micro: Read) -> Sequence[Result]:
    mu = real(case.attrs["momentum"])

    def moment(*i: Any) -> Any:
        return if_due(case, micro, product(v(*i), mu) + _decayed(case, g(*i), w(*i)), v(*i))

    new_v = result(case, moment, 1)

    def parameter(*i: Any) -> Any:
        step = new_v(*i)
        if case.attrs.get("nesterov", False):
            step = _decayed(case, g(*i), w(*i)) + product(step, mu)
        return if_due(case, micro, w(*i) - product(lr(), step), w(*i))

    return [result(case, parameter), new_v]


def _adam(case: Case, w: Read, g: Read, m: Read, v: Read, step: Read, lr: Read, *micro: Read) -> Sequence[Result]:
    attrs = case.attrs
    beta1, beta2 = attrs["beta1"], attrs["beta2"]
    decay = attrs.get("weight_decay", 0.0) if attrs.get("decoupled", False) else 0.0

    def gradient(*i: Any) -> Any:
        return g(*i) if attrs.get("decoupled", False) else _decayed(case, g(*i), w(*i))

    def first(*i: Any) -> Any:
        return if_due(case, micro, beta1 * m(*i) + (1 - beta1) * gradient(*i), m(*i))

    def second(*i: Any) -> Any:
        return if_due(case, micro, beta2 * v(*i) + (1 - beta2) * gradient(*i) * gradient(*i), v(*i))

    new_m, new_v = result(case, first, 1), result(case, second, 2)
    rate = te.compute((), lambda: lr() / _correction(beta1, step()), name="rate")
    deviation = te.compute((), lambda: te.sqrt(_correction(beta2, step())), name="deviation")

    def parameter(*i: Any) -> Any:
        kept = w(*i) * (1 - lr() * decay) if decay else w(*i)
        moved = kept - rate() * new_m(*i) / (te.sqrt(new_v(*i)) / deviation() + attrs["eps"])
        return if_due(case, micro, moved, w(*i))

    return [result(case, parameter), new_m, new_v]


def _correction(beta: float, step: Any) -> Any:
    """1 - beta ** step, exact also where the power is close to one."""
    return -c_function("expm1f", step.astype("float32") * math.log(beta))


def _accumulate(case: Case, a: Read, g: Read, micro: Read) -> Sequence[Result]:
    every = case.attrs["every"]

    def element(*i: Any) -> Any:
        share = product(g(*i), real(1 / every))
        return tirx.Select(micro() % every == 0, share, a(*i) + share)

    return [result(case, element)]


def _count(case: Case, c: Read, *micro: Read) -> Sequence[Result]:
    return [result(case, lambda: if_due(case, micro, c() + 1, c()))]


KERNELS = {
    "sgd": Kernel(_sgd, vectors("y0"), flat=True, parts={0: region}),
    "momentum": Kernel(_momentum, vectors("y1", "y0"), flat=True, parts={0: region, 2: moment_region}),
    "adam": Kernel(_adam, flat=True, parts={0: region, 2: moment_region, 3: moment_region}),
    "accumulate": Kernel(_accumulate, vectors("y0"), flat=True, parts={0: region}),
    "count": Kernel(_count),
}
