"""Dropout, which draws from a counter of its own."""

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor
from gradlet.ir.graph import Role


def dropout(b: Builder, x: Operand, p: float, train: bool | None = True) -> tuple[Tensor, None]:
    x = b.tensor(x)
    if not train or p == 0:
        return x, None
    if p == 1:
        raise UnsupportedError("a rate of 1 drops everything")
    counter = b.constant("counter", np.zeros((), np.int32), Role.COUNTER)
    return b.like(b("dropout", x.value, counter, rate=p, seed=b.next_seed()), x), None


CONVERTERS = {"aten.native_dropout.default": dropout}
