"""pad."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import loops, row_major
from gradlet.ir.graph import Node


def _pad(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    to = row_major(y.type.shape)
    begin = sum(before * step for before, step in zip(node.attrs["before"], to, strict=True))
    axes = loops(x.type.shape, row_major(x.type.shape), to)
    return call("pad_f32", y, x, y.type.size, begin, float(node.attrs.get("value", 0.0)), axes)


KERNELS = {"pad": Kernel(beside(__file__), _pad)}
