"""Steps of int8 networks are the same on every backend, bit by bit, whatever their size, wiring and update rule."""

from functools import cache

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph
from gradlet.tests.equivalence.int8_programs import (
    LOUD,
    PLACES,
    TOOLS,
    one_batch,
    opened,
    program_of,
    quantized_states,
    scaled,
)
from gradlet.tests.int8_autograd import logits_and_gradients
from gradlet.tests.int8_models import Int8Builder, hourglass, int8_batches, inverted_residuals, wired


def large_net() -> Graph:
    """Activations of 102,400 elements, which 16 bits do not count."""
    b = Int8Builder("large", 1, 160, 160, 3)
    b.emit.loc = "first"
    x = b.conv(b.x, 4, 3, relu=True)
    b.emit.loc = "depthwise"
    y = b.depthwise(x)
    b.emit.loc = "project"
    y = b.conv(y, 4)
    b.emit.loc = "sum"
    y = b.add(y, x)
    b.emit.loc = "pool"
    y = b.pool(y)
    b.emit.loc = "head"
    return b.done(b.head(y, 5))


def classifying(classes: int) -> Graph:
    return inverted_residuals(1, classes)


NETS = {
    "65536_elements": large_net,
    "3_classes": lambda: classifying(3),
    "10_classes": lambda: classifying(10),
    "17_classes": lambda: classifying(17),
    "200_classes": lambda: classifying(200),
    "double_rounding": lambda: inverted_residuals(rounding="double_rounding", dead=2),
    "single_rounding": lambda: inverted_residuals(rounding="single_rounding"),
    "odd_wiring": wired,
    "int16_gradients": inverted_residuals,
    "other_sizes": hourglass,
}
UPDATES = {
    "3_classes": "momentum{momentum=0.7,weight_decay=0.001}",
    "10_classes": "sgd{every=3,weight_decay=0.01}",
    "17_classes": "sgd{weights=float,every=3}",
    "200_classes": "sgd{rounding=nearest,bound=0.5}",
}


@cache
def three_steps(net: str, place: str) -> tuple[list[np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Outputs of the steps, states, and the prediction after them."""
    gradients = "int16" if net == "int16_gradients" else "int8"
    program = program_of(NETS[net](), UPDATES.get(net, "sgd"), gradients)
    classes = program.infer.outputs[0].type.shape[-1]
    session = opened(program, place)
    try:
        batches = list(int8_batches(program.graph, 3, 0.02, classes))
        outputs = [array for batch in batches for array in session.train_step(batch).values()]
        (prediction,) = session.infer({"x": batches[0]["x"]}).values()
        return outputs, session.states(), prediction
    finally:
        session.close()


@pytest.mark.parametrize("place", [p for p in PLACES if p != "reference"])
@pytest.mark.parametrize("net", NETS)
def test_steps_are_those_of_the_reference(net, place):
    """Bit by bit, whatever the size and the number of classes; the prediction after a step is not written over."""
    (outputs, states, prediction), (expected, right, predicted) = three_steps(net, place), three_steps(net, "reference")
    for found, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert states.keys() == right.keys()
    for name, array in right.items():
        np.testing.assert_array_equal(states[name], array, err_msg=name)
    np.testing.assert_array_equal(prediction, predicted)


# PyTorch rounds in floats, where the fixed-point kinds have other integers, and has no requantize here.
@pytest.mark.parametrize("net", [n for n in NETS if "rounding" not in n and n != "odd_wiring"])
def test_large_and_small_nets_have_right_gradients(net):
    graph = NETS[net]()
    classes = graph.outputs[0].type.shape[-1]
    batch = one_batch(graph, LOUD, classes)
    program = program_of(graph, "sgd{weights=float}", "float32")
    session = ReferenceSession(program, TOOLS, float64=True)
    before = session.states()
    session.train_step(batch)
    after = session.states()
    gradients = logits_and_gradients(graph, batch["x"], batch["label"])[2]
    for state in quantized_states(graph):
        step = (before[f"{state.name}.master"] - after[f"{state.name}.master"]) / LOUD
        right = scaled(state, gradients[state.name])
        assert np.abs(step - right).max() <= 1e-6 * np.abs(right).max(), state.name
