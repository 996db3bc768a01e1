"""Mean cross entropy of the softmax of logits [N, C] against the input `label`, i32[N]."""

from gradlet.autodiff.loss_inputs import add_target, reject
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit
from gradlet.ir.tensor_type import i32


def softmax_cross_entropy(emit: Emit, prediction: Value) -> Value:
    if len(prediction.type.shape) != 2 or not prediction.type.dtype.is_float:
        raise reject(prediction, "softmax_cross_entropy wants logits of shape [batch, classes]")
    label = add_target(emit.graph, "label", i32(prediction.type.shape[0]))
    return emit("softmax_cross_entropy", prediction, label)


LOSS = softmax_cross_entropy
