"""Gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gradlet.autodiff.quantized_updates import emit_master, is_quantized
from gradlet.autodiff.update_attrs import check_options, update_attrs
from gradlet.autodiff.update_states import accumulated, moment
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


@dataclass(frozen=True)
class Momentum:
    """v = momentum * v + g + weight_decay * w; w -= lr * v, as torch.optim.SGD.

    A quantised parameter learns on a master copy in float32, and its weight decay does not enter v.

    Attributes:
        momentum: Share of the velocity that is kept.
        nesterov: Look ahead: w -= lr * (g + momentum * v).
        weight_decay: Pull towards zero.
        every: Steps whose gradients are averaged for one update.
        qas: Quantisation-aware scaling of the gradients of quantised parameters.
    """

    name: ClassVar[str] = "momentum"
    quantized_options: ClassVar[tuple[str, ...]] = ("qas",)
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    every: int = 1
    qas: bool = True

    def __post_init__(self) -> None:
        check_options(self.every, self.weight_decay, momentum=self.momentum)

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        if is_quantized(parameter):
            return self._emit_quantized(emit, parameter, gradient, lr)
        velocity = moment(emit, parameter, gradient, "velocity")
        emit, gradient, micro = accumulated(emit, parameter, gradient, self.every)
        attrs = update_attrs(emit, parameter, self.every, nesterov=self.nesterov, weight_decay=self.weight_decay)
        operands = (parameter, gradient, velocity, lr, *micro)
        return emit.node("momentum", *operands, momentum=self.momentum, **attrs).outputs

    def _emit_quantized(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        if self.nesterov:
            what = f"{parameter.name} is quantised, and momentum{{nesterov=true}} is for floats"
            raise CompileError("GL204", what, hint="leave nesterov=true away, or let float parameters learn only")
        options: dict[str, Any] = {"every": self.every, "qas": self.qas, "weight_decay": self.weight_decay}
        return emit_master(emit, parameter, gradient, lr, **options, momentum=self.momentum)


RULE = Momentum
