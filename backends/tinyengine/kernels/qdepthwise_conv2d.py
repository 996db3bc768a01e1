"""qdepthwise_conv2d."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.kernels.qconv2d import forward_attributes, forward_operands, has_few_parts
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qdepthwise_conv2d(node: Node) -> Call:
    x, w, y = node.inputs[0].type, node.inputs[1].type, node.outputs[0].type
    sizes = (*window_sizes(node.attrs, x, y, w.shape[:2]), w.shape[2], *forward_attributes(node))
    return call("qdepthwise_conv2d_i8", *forward_operands(node), sizes)


KERNELS = {"qdepthwise_conv2d": Kernel(_C, _qdepthwise_conv2d, dtypes=(DType.I8,), applies=has_few_parts)}
