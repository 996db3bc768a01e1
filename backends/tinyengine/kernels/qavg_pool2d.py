"""qavg_pool2d."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node
from gradlet.ir.requantize import DTYPES, rounding

_C = beside(__file__)


def _qavg_pool2d(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, x.type, y.type)
    return call(f"qavg_pool2d_i{x.type.dtype.bits}", y, x, sizes, rounding(node.attrs) == "float")


KERNELS = {"qavg_pool2d": Kernel(_C, _qavg_pool2d, dtypes=DTYPES.values())}
