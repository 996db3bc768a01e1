"""Batch normalisation, with the running statistics or with those of the batch."""

from dataclasses import replace

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Parameter, Tensor
from gradlet.ir.graph import Role, Value

Result = tuple[Tensor, None, None, None, None]  # the others hold statistics that only PyTorch's own backward reads


def inference(
    b: Builder,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand,
    var: Operand,
    momentum: float,
    eps: float,
) -> Result:
    y = b("batch_norm", b.channels_last(x), *_operands(b, x, weight, bias, mean, var), eps=eps)
    return b.from_channels_last(y), None, None, None, None


def training(
    b: Builder,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand,
    var: Operand,
    train: bool,
    momentum: float,
    eps: float,
) -> Result:
    if not train:
        return inference(b, x, weight, bias, mean, var, momentum, eps)
    operands = _operands(b, x, weight, bias, mean, var)
    node = b.node("batch_norm_train", b.channels_last(x), *operands, eps=eps, momentum=momentum)
    return b.from_channels_last(node.outputs[0]), None, None, None, None


def _operands(
    b: Builder, x: Operand, weight: Operand | None, bias: Operand | None, mean: Operand, var: Operand
) -> list[Value]:
    if not (isinstance(mean, Parameter) and isinstance(var, Parameter)):
        raise UnsupportedError("running statistics that are no buffers")
    channels = x.shape[1]
    gamma = b.constant("weight", np.ones(channels, np.float32)) if weight is None else b.plain(weight)
    beta = b.constant("bias", np.zeros(channels, np.float32)) if bias is None else b.plain(bias)
    return [gamma, beta, *(b.place(replace(p, role=Role.BUFFER)) for p in (mean, var))]


CONVERTERS = {
    "aten._native_batch_norm_legit_no_training.default": inference,
    "aten._native_batch_norm_legit_functional.default": training,
}
