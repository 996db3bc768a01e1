"""Batch normalisation, with the running statistics or with those of the batch."""

from dataclasses import replace

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Parameter, Tensor
from gradlet.ir.graph import Role, Value, storage

# The normalised tensor, what only PyTorch's own backward reads, and the running statistics that are written.
Result = tuple[Tensor, None, None, Tensor | None, Tensor | None]


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
    y, _, _, mean_written, var_written = node.outputs
    return b.from_channels_last(y), None, None, b.laid(mean_written, (0,)), b.laid(var_written, (0,))


def _operands(
    b: Builder, x: Operand, weight: Operand | None, bias: Operand | None, mean: Operand, var: Operand
) -> list[Value]:
    channels = x.shape[1]
    gamma = b.constant("weight", np.ones(channels, np.float32)) if weight is None else b.plain(weight)
    beta = b.constant("bias", np.zeros(channels, np.float32)) if bias is None else b.plain(bias)
    return [gamma, beta, _statistics(b, mean), _statistics(b, var)]


def _statistics(b: Builder, x: Operand) -> Value:
    """A buffer, as it is or as batch normalisation has written it."""
    if isinstance(x, Parameter):
        return b.place(replace(x, role=Role.BUFFER))
    if b.graph.state_of(storage(x.value)) is None:
        raise UnsupportedError("running statistics that are no buffers")
    return x.value


CONVERTERS = {
    "aten._native_batch_norm_legit_no_training.default": inference,
    "aten._native_batch_norm_legit_functional.default": training,
}
