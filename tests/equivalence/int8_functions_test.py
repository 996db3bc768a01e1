"""Networks of every function of one int8 value take the same steps on all backends, bit by bit."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType
from gradlet.tests.equivalence.random_int8_test import PLACES, check_bits, check_steps, compiled_for
from gradlet.tests.random_int8 import Int8Case, finish, pointwise
from gradlet.tests.random_int8_functions import FUNCTIONS, applied, normalized
from gradlet.tests.random_int8_network import RandomNetwork
from gradlet.tests.small_models import TOOLS

CLASSES = 3
# Functions of one network: with more of them nothing is left of a gradient.
LENGTH = 5


def network(first: int, gradients: str) -> Int8Case:
    """A layer before and after each of some functions, and before softmax."""
    net = RandomNetwork(np.random.default_rng(first), Emit(TOOLS.ops, Graph("functions")), may_divide=False)
    graph = net.emit.graph
    x = graph.add_input("x", TensorType(DType.I8, (2, 4, 5, 6), QuantParams((0.02,), (3,))))
    net.samples[x] = np.random.default_rng(1).integers(-128, 128, x.type.shape).astype(np.int8)
    for attrs in FUNCTIONS[first : first + LENGTH]:
        net.emit.loc = f"block{first}.{attrs['function']}"
        x = applied(net, pointwise(net, x), attrs)
    graph.outputs = [finish(net, normalized(net, pointwise(net, x)), CLASSES)]
    graph.renumber()
    for state in graph.states:
        state.trainable = state.value.type.quant is not None or state.trainable
    options = {
        "sparse_update": {"scheme": "full"},
        "differentiate": {"update": "sgd"},
        "quantize_gradients": {"dtype": gradients},
    }
    return Int8Case(Program(graph), options, CLASSES, 0.05, first)


@pytest.mark.parametrize("gradients", ["int8", "int16", "float32"])
@pytest.mark.parametrize("place", PLACES)
def test_every_backend_is_the_reference(place, gradients):
    backend, target, open_all, _ = PLACES[place]
    starts = range(0, len(FUNCTIONS), LENGTH) if place != "c_device" else range(0, LENGTH, LENGTH)
    for case in (network(first, gradients) for first in starts):
        program = compiled_for(case, backend, target)
        graded = [node for node in program.graph.nodes if node.op == "qlookup_input_grad"]
        assert len(graded) == min(LENGTH, len(FUNCTIONS) - case.seed), "some function has no gradient"
        assert all(node.outputs[0].type.dtype.value == gradients for node in graded)
        (session,), reference = open_all([program]), ReferenceSession(program, TOOLS)
        (check_bits if case.has_integer_gradients else check_steps)(case, program, session, reference)
        session.close()
