"""Stochastic gradient descent, of floats and of quantised parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gradlet.autodiff.quantized_updates import emit_in_place, emit_master, is_quantized
from gradlet.autodiff.update_attrs import check_options, check_quantized_options, update_attrs
from gradlet.autodiff.update_states import accumulated
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


@dataclass(frozen=True)
class Sgd:
    """w -= lr * (g + weight_decay * w).

    Attributes:
        weight_decay: Pull towards zero.
        every: Steps whose gradients are averaged for one update.
        weights: Of quantised parameters: `int8` learns in place, `float` on a master copy in float32.
        qas: Quantisation-aware scaling of their gradients; without it int8 weights hardly move.
        rounding: Of steps of int8 weights in place: `stochastic` or `nearest`.
        bound: Largest step of an int8 weight in place, in quantisation steps; 0: not limited.
        seed: Of stochastic rounding.
    """

    name: ClassVar[str] = "sgd"
    quantized_options: ClassVar[tuple[str, ...]] = ("weights", "qas", "rounding", "bound", "seed")
    weight_decay: float = 0.0
    every: int = 1
    weights: str = "int8"
    qas: bool = True
    rounding: str = "stochastic"
    bound: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self.every, self.weight_decay)
        check_quantized_options(self.weights, self.rounding, self.bound)

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        if not is_quantized(parameter):
            return self._emit_float(emit, parameter, gradient, lr)
        shared: dict[str, Any] = {"every": self.every, "qas": self.qas, "weight_decay": self.weight_decay}
        if self.weights == "float":
            return emit_master(emit, parameter, gradient, lr, **shared)
        drawn: dict[str, Any] = {"rounding": self.rounding, "bound": self.bound, "seed": self.seed}
        return emit_in_place(emit, parameter, gradient, lr, **shared, **drawn)

    def _emit_float(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        emit, gradient, micro = accumulated(emit, parameter, gradient, self.every)
        attrs = update_attrs(emit, parameter, self.every, weight_decay=self.weight_decay)
        return emit.node("sgd", parameter, gradient, lr, *micro, **attrs).outputs


RULE = Sgd
