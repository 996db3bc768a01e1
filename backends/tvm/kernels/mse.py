"""mse and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result


def _mse(case: Case, x: Read, target: Read) -> Sequence[Result]:
    def square(*i: Any) -> Any:
        return (x(*i) - target(*i)) * (x(*i) - target(*i))

    shape = case.shape(0)
    return [result(case, lambda: total(lambda *i: square(*i) * (1 / math.prod(shape)), shape))]


def _mse_grad(case: Case, x: Read, target: Read) -> Sequence[Result]:
    factor = 2 / case.result.size
    return [result(case, lambda *i: (x(*i) - target(*i)) * factor)]


KERNELS = {"mse": Kernel(_mse), "mse_grad": Kernel(_mse_grad, flat=True)}
