"""Adam, and AdamW with `decoupled` weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gradlet.autodiff.quantized_updates import is_quantized
from gradlet.autodiff.update_attrs import check_options, update_attrs
from gradlet.autodiff.update_states import accumulated, finished_updates, moment
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


@dataclass(frozen=True)
class Adam:
    """As torch.optim.Adam, or AdamW.

    Attributes:
        beta1: Decay of the mean of the gradients.
        beta2: Decay of the mean of their squares.
        eps: Added to the root of the second moment.
        weight_decay: Pull towards zero.
        decoupled: Apply the decay to the weights themselves, not to the gradient (AdamW).
        every: Steps whose gradients are averaged for one update.
    """

    name: ClassVar[str] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        check_options(self.every, self.weight_decay, beta1=self.beta1, beta2=self.beta2)

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        if is_quantized(parameter):
            what = f"{parameter.name} is quantised, and adam is for floats"
            hint = "use sgd or momentum, or a scheme in which float parameters learn only (head_only)"
            raise CompileError("GL204", what, hint=hint)
        mean, square = (moment(emit, parameter, gradient, name) for name in ("mean", "square"))
        emit, gradient, micro = accumulated(emit, parameter, gradient, self.every)
        step = finished_updates(emit, micro, self.every)
        attrs = update_attrs(
            emit,
            parameter,
            self.every,
            weight_decay=self.weight_decay,
            decoupled=self.decoupled and self.weight_decay != 0,
        )
        operands = (parameter, gradient, mean, square, step, lr, *micro)
        return emit.node("adam", *operands, beta1=self.beta1, beta2=self.beta2, eps=self.eps, **attrs).outputs


RULE = Adam
