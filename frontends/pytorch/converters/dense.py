"""Linear layers and products of matrices."""

import numpy as np

from gradlet.frontends.pytorch.broadcast import binary, scaled
from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.tensor import Parameter, Tensor, natural
from gradlet.ir.graph import Value


def linear(b: Builder, x: Operand, weight: Operand, bias: Operand | None = None) -> Tensor:
    """The weight takes over a pending reshape of x: its columns are permuted once, at compile time."""
    if len(x.shape) == 1:
        return _without(b, linear(b, b.view(x, (1, *x.shape)), weight, bias), 0)
    value, view, permutation = b.features(x)
    out = weight.shape[0]
    columns = [1 + axis for axis in permutation]
    if isinstance(weight, Parameter):
        w = b.place(weight, (0, *columns), weight.shape, view=(out, *view))
    else:
        split = b.reshape(b.plain(weight), (out, *view))
        w = b.reshape(b.transpose(split, (0, *columns)), weight.shape)
    return _dense(b, value, w, bias)


def matmul(b: Builder, x: Operand, y: Operand) -> Tensor:
    if len(x.shape) == 1:
        return _without(b, matmul(b, b.view(x, (1, *x.shape)), y), -2)
    if len(y.shape) == 1:
        return _without(b, matmul(b, x, b.view(y, (*y.shape, 1))), -1)
    if len(y.shape) == 2 and isinstance(y, Parameter):
        return _dense(b, b.plain(x), b.place(y, (1, 0)), None)
    return _product(b, x, y)


def addmm(b: Builder, bias: Operand, x: Operand, y: Operand, beta: float = 1, alpha: float = 1) -> Tensor:
    if _is_weight(b, y) and len(bias.shape) == 1 and beta == alpha == 1:
        return _dense(b, b.plain(x), b.lay(y, (1, 0)), bias)
    product = matmul(b, x, y)
    return binary(
        b, "add", product if alpha == 1 else scaled(b, product, alpha), bias if beta == 1 else scaled(b, bias, beta)
    )


def _dense(b: Builder, x: Value, w: Value, bias: Operand | None) -> Tensor:
    y = b("dense", x, w, *([] if bias is None else [b.plain(bias)]))
    return b.laid(y, natural(len(y.type.shape)))


def _is_weight(b: Builder, y: Operand) -> bool:
    """Whether y is a parameter, or the transpose of one."""
    return isinstance(y, Parameter) or b.graph.state_of(y.value) is not None


def _product(b: Builder, x: Operand, y: Operand) -> Tensor:
    if _is_weight(b, y) and len(y.shape) == 2:
        return _dense(b, b.plain(x), b.lay(y, (1, 0)), None)
    leading = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    (left, transpose_a), (right, transpose_b) = (_stretched(b, t, leading) for t in (x, y))
    product = b("matmul", left, right, transpose_a=transpose_a, transpose_b=transpose_b)
    return b.laid(product, natural(len(product.type.shape)))


def _stretched(b: Builder, x: Operand, leading: tuple[int, ...]) -> tuple[Value, bool]:
    """(value, whether its last two axes have changed places), with these leading axes, or none."""
    settled = b.settled(x)
    rank = len(settled.shape)
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    is_swapped = settled.order == swapped
    value = settled.value if is_swapped else b.plain(settled)
    if rank > 2 and settled.shape[:-2] != leading:
        value = b.reshape(value, (*(1,) * (len(leading) + 2 - rank), *value.type.shape))
        value = b.broadcast(value, (*leading, *value.type.shape[-2:]))
    return value, is_swapped


def _without(b: Builder, x: Tensor, axis: int) -> Tensor:
    shape = list(x.shape)
    del shape[axis]
    return b.view(x, tuple(shape))


CONVERTERS = {
    "aten.linear.default": linear,
    "aten.matmul.default": matmul,
    "aten.mm.default": matmul,
    "aten.bmm.default": matmul,
    "aten.mv.default": matmul,
    "aten.addmm.default": addmm,
    "aten.baddbmm.default": addmm,
}
