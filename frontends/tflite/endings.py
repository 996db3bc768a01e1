"""What follows the logits: a softmax is the loss's, and a head for other classes replaces the last layer."""

from __future__ import annotations

from gradlet.frontends.tflite.model import Model, Operator, Tensor
from gradlet.ir.errors import CompileError
from gradlet.ir.tensor_type import DType

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
_INTEGERS = (DType.I32, DType.I64)
_SHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def logits_of(model: Model, output: Tensor) -> Tensor:
    """The tensor before the softmax, and the index of the largest, that an output ends in; else the output itself."""
    makers, tensor, found = _makers(model), output, output
    while (maker := makers.get(tensor.index)) and maker.inputs and maker.inputs[0]:
        tensor = maker.inputs[0]
        if _is_softmax(maker):
            return tensor
        if _is_argmax(maker):
            found = tensor
        elif maker.name not in (*_CONVERSIONS, *_SHAPES):
            break
    return found


def head_of(model: Model, logits: Tensor) -> Operator:
    """The layer that makes the logits: dense, or a convolution of one pixel.

    Raises:
        CompileError: GL105.
    """
    makers, tensor = _makers(model), logits
    while (maker := makers.get(tensor.index)) and maker.inputs and maker.inputs[0]:
        if maker.name == "FULLY_CONNECTED" or (maker.name == "CONV_2D" and maker.inputs[0].shape[1:3] == (1, 1)):
            return maker
        if maker.name not in (*_CONVERSIONS, *_SHAPES):
            break
        tensor = maker.inputs[0]
    what = "a new head is not supported: the predictions are made by no dense layer, and no convolution of one pixel"
    raise CompileError("GL105", what, str(logits), "replace the head before the conversion")


def needed(model: Model, outputs: list[Tensor]) -> set[int]:
    """Indices of the tensors that these are computed from, without what computes shapes that the file tells."""
    makers = _makers(model)
    found, waiting = set(), [tensor.index for tensor in outputs]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            maker = makers.get(index)
            told = maker is not None and maker.name in _SHAPES and not maker.outputs[0].is_open
            operands = maker.inputs[: 1 if told else None] if maker else ()
            waiting += [tensor.index for tensor in operands if tensor]
    return found


def _makers(model: Model) -> dict[int, Operator]:
    return {tensor.index: operator for operator in model.operators for tensor in operator.outputs}


def _is_softmax(maker: Operator) -> bool:
    """Of one prediction a sample."""
    x = maker.inputs[0]
    return maker.name == "SOFTMAX" and maker.options.get("beta", 0.0) == 1 and x is not None and len(x.shape) >= 2


def _is_argmax(maker: Operator) -> bool:
    """Over the last axis, of one prediction a sample."""
    x, axis = maker.inputs[0], maker.inputs[1] if len(maker.inputs) > 1 else None
    if maker.name != "ARG_MAX" or x is None or axis is None or axis.content is None or axis.dtype not in _INTEGERS:
        return False
    return len(x.shape) >= 2 and axis.content.ravel().tolist() in ([-1], [len(x.shape) - 1])
