"""PyTorch's softplus as the op of this plugin."""

from gradlet.frontends.pytorch.broadcast import unary
from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.tensor import Tensor


def softplus(b: Builder, x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    if beta != 1.0:
        raise ValueError(f"softplus with beta {beta}: the plugin has 1 only")
    return unary(b, "softplus", x)


CONVERTERS = {"aten.softplus.default": softplus}
