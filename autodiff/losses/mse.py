"""Mean squared difference of a prediction and the input `target`, which has its type."""

from gradlet.autodiff.loss_inputs import add_target, reject
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


def mse(emit: Emit, prediction: Value) -> Value:
    if not prediction.type.dtype.is_float:
        raise reject(prediction, "mse wants a prediction of floats")
    return emit("mse", prediction, add_target(emit.graph, "target", prediction.type))


LOSS = mse
