"""Networks of every function of one int8 or int16 value take the same steps on all backends, bit by bit."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph, Phase, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import DType, TensorType
from gradlet.tests.equivalence.int8_places import PLACES, check_bits, check_steps, compiled_for
from gradlet.tests.random_int8 import Int8Case, finish, pointwise
from gradlet.tests.random_int8_functions import FUNCTIONS, applied
from gradlet.tests.random_int8_network import RandomNetwork, quant_of
from gradlet.tests.small_models import TOOLS

CLASSES = 3
# Functions of one network: with more of them nothing is left of a gradient.
LENGTH = 5
SOFTMAX = ("qsoftmax", "qlog_softmax")


def begun(seed: int, bits: int = 8) -> tuple[RandomNetwork, Value]:
    net = RandomNetwork(np.random.default_rng(seed), Emit(TOOLS.ops, Graph("functions")), may_divide=False, bits=bits)
    x = net.emit.graph.add_input("x", TensorType(DTYPES[bits], (2, 4, 5, 6), net.quant(0.02, 3)))
    end = 2 ** (bits - 1)
    net.samples[x] = np.random.default_rng(1).integers(-end, end, x.type.shape).astype(x.type.dtype.numpy)
    return net, x


def network(first: int, gradients: str, bits: int) -> Int8Case:
    """A layer before each of some functions, and softmax, which int8 alone has, behind them."""
    net, x = begun(first, bits)
    for attrs in FUNCTIONS[first : first + LENGTH]:
        net.emit.loc = f"block{first}.{attrs['function']}"
        x = applied(net, pointwise(net, x), attrs)
    x = pointwise(net, x)
    if bits == 8:
        x = net.op(SOFTMAX[first // LENGTH % len(SOFTMAX)], x, x_scale=quant_of(x).scale[0])
    return learning(net, finish(net, x, CLASSES), gradients)


def learning(net: RandomNetwork, prediction: Value, gradients: str) -> Int8Case:
    """All of it."""
    graph = net.emit.graph
    graph.outputs = [prediction]
    graph.renumber()
    for state in graph.states:
        state.trainable = state.value.type.quant is not None or state.trainable
    options = {
        "sparse_update": {"scheme": "full"},
        "differentiate": {"update": "sgd"},
        "quantize_gradients": {"dtype": gradients},
    }
    return Int8Case(Program(graph), options, CLASSES, 0.05, seed=0)


@pytest.mark.parametrize("bits", DTYPES)
@pytest.mark.parametrize("gradients", ["int8", "int16", "float32"])
@pytest.mark.parametrize("place", PLACES)
def test_every_backend_is_the_reference(place, gradients, bits):
    backend, target, open_all = PLACES[place]
    starts = range(0, len(FUNCTIONS), LENGTH) if place != "c_device" else range(0, LENGTH, LENGTH)
    for first in starts:
        case = network(first, gradients, bits)
        program = compiled_for(case, backend, target)
        graded = [node for node in program.graph.nodes if node.op == "qlookup_input_grad"]
        assert len(graded) == min(LENGTH, len(FUNCTIONS) - first), "some function has no gradient"
        assert all(node.outputs[0].type.dtype.value == gradients for node in graded)
        (session,), reference = open_all([program]), ReferenceSession(program, TOOLS)
        (check_bits if case.has_integer_gradients else check_steps)(case, program, session, reference)
        session.close()


def test_the_gradient_of_a_mean_is_repeated_in_integers():
    net, x = begun(0)
    x = applied(net, pointwise(net, x), {"function": "hard_swish"})
    window = {"kernel": x.type.shape[1:3], "strides": (1, 1), "padding": (0, 0, 0, 0)}
    y = net.op("reshape", net.op("qavg_pool2d", x, **window), shape=(2, x.type.shape[3]))
    backend, target, _ = PLACES["c_host"]
    program = compiled_for(learning(net, net.float_dense(net.floats(y), CLASSES), "int8"), backend, target)
    backward = [node for node in program.graph.nodes if node.phase is Phase.BACKWARD]
    large = [node.outputs[0].type for node in backward if node.outputs[0].type.shape == x.type.shape]
    assert large and all(type_.dtype is DType.I8 for type_ in large)
