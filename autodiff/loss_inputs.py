"""What losses share: the input that a prediction is compared with, and the refusal of a prediction."""

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.ir.tensor_type import TensorType


def add_target(graph: Graph, name: str, type_: TensorType) -> Value:
    """A new input of the step."""
    return graph.add_input(graph.free_name(name), type_)


def reject(prediction: Value, wanted: str) -> CompileError:
    place = prediction.producer.loc if prediction.producer else ""
    hint = "choose another loss, or another output of the model (option prediction)"
    return CompileError("GL203", f"{wanted}, not {prediction.type}", place, hint)
