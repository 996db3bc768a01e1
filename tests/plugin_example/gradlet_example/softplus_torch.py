"""PyTorch's log_sigmoid, which Gradlet does not know, by the op of this plugin."""

from gradlet.frontends.pytorch.broadcast import unary
from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.tensor import Tensor


def log_sigmoid(b: Builder, x: Operand) -> Tensor:
    """log(1 / (1 + exp(-x))) = -softplus(-x)"""
    return unary(b, "neg", unary(b, "softplus", unary(b, "neg", x)))


CONVERTERS = {"aten.log_sigmoid.default": log_sigmoid}
