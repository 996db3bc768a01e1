"""neg, exp, log, sqrt, rsqrt and scale."""

from collections.abc import Callable

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _calls(function: str) -> Callable[[Node], Call]:
    return lambda node: call(function, node.outputs[0], node.inputs[0], node.outputs[0].type.size)


def _scale(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call("scale_all_f32", y, x, y.type.size, float(node.attrs["factor"]))


KERNELS = {
    "neg": (Kernel(_C, _calls("neg_f32")), Kernel(_C, _calls("neg_i32"), "integer", (DType.I32,))),
    "exp": Kernel(_C, _calls("exp_all_f32")),
    "log": Kernel(_C, _calls("log_all_f32")),
    "sqrt": Kernel(_C, _calls("sqrt_all_f32")),
    "rsqrt": Kernel(_C, _calls("rsqrt_all_f32")),
    "scale": Kernel(_C, _scale),
}
