"""The pass that makes a training step of a forward graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradlet.autodiff.loss_inputs import add_target
from gradlet.autodiff.reverse import differentiate
from gradlet.ir.arguments import prediction_of
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase, Role, State, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.options import Call, make
from gradlet.ir.passes import Context, UpdateRule
from gradlet.ir.tensor_type import f32

_SGD = Call("sgd")


@dataclass(frozen=True)
class Differentiate:
    """Adds the loss, the backward pass and an update for every trainable parameter that the loss depends on.

    Attributes:
        loss: Which one.
        update: Update rule and its options.
        prediction: Which output of the model the loss is about.
    """

    name: ClassVar[str] = "differentiate"
    loss: str = "softmax_cross_entropy"
    update: Call = _SGD
    prediction: int = 0

    def run(self, graph: Graph, context: Context) -> bool:
        rule: UpdateRule = make(context.toolbox, "update_rules", self.update)
        learning = [s for s in graph.states if s.trainable and s.role is Role.PARAMETER]
        if not learning:
            hint = "leave some parameters trainable (requires_grad in PyTorch), or choose another scheme"
            raise CompileError("GL202", f"{graph.name} has no trainable parameter", hint=hint)
        loss = self._add_loss(graph, context)
        gradients = _gradients(graph, context, loss, learning)
        lr = add_target(graph, "lr", f32())
        emit = Emit(context.ops, graph, Phase.UPDATE)
        for state in learning:
            if state.trainable:
                rule.emit(emit, state.value, gradients[state.value], lr)
        context.notes += _without_meaning(rule, self.update, [s.value for s in learning if s.trainable])
        graph.outputs = [loss, *(v for v in graph.outputs if v is not loss)]
        graph.renumber()
        return True

    def _add_loss(self, graph: Graph, context: Context) -> Value:
        prediction = prediction_of(graph.outputs, self.prediction)
        emit = Emit(context.ops, graph, Phase.FORWARD)
        loss: Value = context.toolbox.get("losses", self.loss)(emit, prediction)
        if loss.producer and loss.name.isdigit():
            loss.name = graph.free_name("loss")
        return loss


def _gradients(graph: Graph, context: Context, loss: Value, learning: list[State]) -> dict[Value, Value]:
    """The gradient of what learns of each parameter; those that the loss does not depend on are frozen."""
    seed = Emit(context.ops, graph, Phase.BACKWARD)("full", shape=(), value=1.0)
    found = differentiate(graph, context.ops, loss, seed, [s.value for s in learning])
    if not seed.users and seed.producer:
        graph.remove(seed.producer)
    if not found:
        raise CompileError("GL202", "the loss depends on no trainable parameter", hint="train parameters before it")
    for state in learning:
        if state.value not in found:
            state.trainable, state.region = False, None
            context.notes.append(f"{state.name} does not learn: the loss does not depend on it")
    return {s.value: _part(graph, found[s.value], s, context) for s in learning if s.value in found}


def _part(graph: Graph, gradient: Value, state: State, context: Context) -> Value:
    """The gradient of the region that learns: a slice, which push_slices moves to where it saves work."""
    if state.region is None:
        return gradient
    place = gradient.producer.loc if gradient.producer else ""
    return Emit(context.ops, graph, Phase.BACKWARD, place)("slice", gradient, **state.region.attrs)


def _without_meaning(rule: UpdateRule, given: Call, learning: list[Value]) -> list[str]:
    """A note about options of the rule that are for quantised parameters, where none learns."""
    about = [name for name, _ in given.options if name in getattr(rule, "quantized_options", ())]
    if not about or any(v.type.quant for v in learning):
        return []
    return [f"{given.name}: {', '.join(about)} changes nothing: no quantised parameter learns"]


PASS = Differentiate
