"""adam and AdamW, in place, on all of a parameter or on a region of it."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.update_place import accumulation, moment_place, place
from gradlet.ir.graph import Node


def _adam(node: Node) -> Call:
    w, g, m, v, step, lr, *micro = node.inputs
    attrs = node.attrs
    betas = 1 - attrs["beta1"], 1 - attrs["beta2"]
    decay = float(attrs.get("weight_decay", 0.0)), attrs.get("decoupled", False)
    operands = (w, g, m, v, step, lr, *accumulation(micro, node))
    return call("adam_f32", *operands, *place(node), *moment_place(node, m), *betas, float(attrs["eps"]), *decay)


KERNELS = {"adam": Kernel(beside(__file__), _adam)}
