"""The dense float layer for other classes, as TFLite's operators, in the place of the last layer of a model."""

from __future__ import annotations

import math

import numpy as np

from gradlet.frontends.tflite.front import Edit, Number, Reference, Table, integers, text
from gradlet.frontends.tflite.model import Model, Operator, Tensor
from gradlet.frontends.tflite.schema import TENSOR_TYPES, UNIONS
from gradlet.ir.errors import CompileError
from gradlet.ir.tensor_type import DType

_TABLES = {name: number for number, name in UNIONS.items()}


def write_head(edit: Edit, model: Model, head: Operator, weight: np.ndarray, bias: np.ndarray) -> None:
    """Replaces what makes the first output from the operand of a layer.

    A softmax stays a softmax. The output keeps its number and its name, and gives floats.

    Args:
        edit: Where it is written.
        head: The layer that is replaced.
        weight: f32[classes, features].
        bias: f32[classes].

    Raises:
        CompileError: GL105 if something else reads the output, or if it is no score of classes.
    """
    x, output = head.inputs[0], model.outputs[0]
    assert x is not None, "`head_of` finds layers with an operand"
    kept = _computed_from(model, [x, *model.outputs[1:]])
    dropped = [k for k, op in enumerate(model.operators) if not any(t.index in kept for t in op.outputs)]
    names = {model.operators[k].name for k in dropped}
    if output.index in kept or output in model.outputs[1:] or "ARG_MAX" in names:
        what = "a new head whose output is the number of a class, or is read by something else"
        raise CompileError("GL105", f"a model cannot be written with {what}", str(output), "convert it without")
    edit.operators[:] = [op for k, op in enumerate(edit.operators) if k not in dropped]
    shape = (math.prod(x.shape) // weight.shape[1], len(weight))
    result = _result(edit, output, shape)
    features = x.index if x.dtype is DType.F32 else edit.add_tensor(_tensor("head/features", x.shape))
    if features != x.index:
        edit.add_operator("DEQUANTIZE", [x.index], [features])
    edit.tensors[output.index] = Table(result)
    logits = edit.add_tensor(_tensor("head/logits", shape)) if "SOFTMAX" in names else output.index
    constants = [edit.add_constant(f"head/{name}", a) for name, a in (("weight", weight), ("bias", bias))]
    edit.add_operator("FULLY_CONNECTED", [features, *constants], [logits], _options("FullyConnectedOptions"))
    if logits != output.index:
        edit.add_operator("SOFTMAX", [logits], [output.index], _options("SoftmaxOptions", Number("f", 1.0)))


def _options(table: str, *fields: Number) -> tuple[int, Table]:
    return _TABLES[table], Table(dict(enumerate(fields)))


def _tensor(name: str, shape: tuple[int, ...]) -> dict[int, Number | Reference]:
    """A result of float32."""
    return {0: integers(shape), 1: Number("b", TENSOR_TYPES.index("FLOAT32")), 3: text(name), 8: Number("?", True)}


def _result(edit: Edit, output: Tensor, shape: tuple[int, ...]) -> dict[int, Number | Reference]:
    """The output as it becomes: its batch stays open if it was."""
    fields = _tensor("", shape)
    old = edit.fields("Tensor", edit.tensors[output.index])
    if 3 in old:
        fields[3] = old[3]
    return fields | ({7: integers((-1, *shape[1:]))} if output.open_axes else {})


def _computed_from(model: Model, tensors: list[Tensor]) -> set[int]:
    """Numbers of the tensors that these are computed from, themselves included."""
    makers = {tensor.index: operator for operator in model.operators for tensor in operator.outputs}
    found, waiting = set(), [tensor.index for tensor in tensors]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += [t.index for t in makers[index].inputs if t] if index in makers else []
    return found
