"""What follows the logits: a softmax is the loss's, and a head for other classes replaces the last layer."""

from __future__ import annotations

from gradlet.frontends.tflite.model import Model, Operator, Tensor
from gradlet.ir.errors import CompileError

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_SHAPES = ("RESHAPE", "SQUEEZE")


def logits_of(model: Model, output: Tensor) -> Tensor:
    """The tensor before the softmax that an output ends in; the output itself if it ends in none."""
    makers, tensor = _makers(model), output
    while (maker := makers.get(tensor.index)) and maker.inputs and maker.inputs[0]:
        if maker.name == "SOFTMAX" and maker.options.get("beta", 0.0) == 1 and _is_over_the_last(maker):
            return maker.inputs[0]
        if maker.name not in (*_CONVERSIONS, *_SHAPES):
            break
        tensor = maker.inputs[0]
    return output


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
    """Indices of the tensors that these are computed from; what computes the shape of a tensor is none of them."""
    makers = _makers(model)
    found, waiting = set(), [tensor.index for tensor in outputs]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            maker = makers.get(index)
            operands = maker.inputs[: 1 if maker.name in _SHAPES else None] if maker else ()
            waiting += [tensor.index for tensor in operands if tensor]
    return found


def _makers(model: Model) -> dict[int, Operator]:
    return {tensor.index: operator for operator in model.operators for tensor in operator.outputs}


def _is_over_the_last(maker: Operator) -> bool:
    """Of one prediction a sample."""
    x = maker.inputs[0]
    return x is not None and len(x.shape) >= 2
