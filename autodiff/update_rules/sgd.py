"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gradlet.autodiff.update_attrs import check_options, update_attrs
from gradlet.autodiff.update_states import accumulated
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


@dataclass(frozen=True)
class Sgd:
    """w -= lr * (g + weight_decay * w).

    Attributes:
        weight_decay: Pull towards zero.
        every: Steps whose gradients are averaged for one update.
    """

    name: ClassVar[str] = "sgd"
    weight_decay: float = 0.0
    every: int = 1

    def __post_init__(self) -> None:
        check_options(self.every, self.weight_decay)

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        emit, gradient, micro = accumulated(emit, parameter, gradient, self.every)
        attrs = update_attrs(emit, parameter, self.every, weight_decay=self.weight_decay)
        return emit.node("sgd", parameter, gradient, lr, *micro, **attrs).outputs


RULE = Sgd
