"""Gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gradlet.autodiff.update_attrs import check_options, update_attrs
from gradlet.autodiff.update_states import accumulated, moment
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


@dataclass(frozen=True)
class Momentum:
    """v = momentum * v + g + weight_decay * w; w -= lr * v, as torch.optim.SGD.

    Attributes:
        momentum: Share of the velocity that is kept.
        nesterov: Look ahead: w -= lr * (g + momentum * v).
        weight_decay: Pull towards zero.
        every: Steps whose gradients are averaged for one update.
    """

    name: ClassVar[str] = "momentum"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    every: int = 1

    def __post_init__(self) -> None:
        check_options(self.every, self.weight_decay, momentum=self.momentum)

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        velocity = moment(emit, parameter, gradient, "velocity")
        emit, gradient, micro = accumulated(emit, parameter, gradient, self.every)
        attrs = update_attrs(emit, parameter, self.every, nesterov=self.nesterov, weight_decay=self.weight_decay)
        operands = (parameter, gradient, velocity, lr, *micro)
        return emit.node("momentum", *operands, momentum=self.momentum, **attrs).outputs


RULE = Momentum
