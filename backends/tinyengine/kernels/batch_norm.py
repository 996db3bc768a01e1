"""batch_norm for inference and training, and the gradient of the latter."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node, Value

_C = beside(__file__)


def _sizes(x: Value) -> tuple[int, int]:
    """Values of a channel, channels."""
    channels = x.type.shape[-1]
    return x.type.size // channels, channels


def _batch_norm(node: Node) -> Call:
    return call("batch_norm_f32", *node.outputs, *node.inputs, *_sizes(node.inputs[0]), float(node.attrs["eps"]))


def _batch_norm_train(node: Node) -> Call:
    # The last two outputs lie where the last two inputs do.
    options = float(node.attrs["eps"]), float(node.attrs["momentum"])
    return call("batch_norm_train_f32", *node.outputs, *node.inputs[:3], *_sizes(node.inputs[0]), *options)


def _batch_norm_train_grad(node: Node) -> Call:
    return call("batch_norm_train_grad_f32", *node.outputs, *node.inputs, *_sizes(node.inputs[0]))


KERNELS = {
    "batch_norm": Kernel(_C, _batch_norm),
    "batch_norm_train": Kernel(_C, _batch_norm_train),
    "batch_norm_train_grad": Kernel(_C, _batch_norm_train_grad),
}
