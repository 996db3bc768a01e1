"""Imported int8 models learn: a new head, and int8 weights below it, in the reference executor."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.passes import Context
from gradlet.ir.verifier import verify
from gradlet.optimizers.compilation import optimize
from gradlet.tests.frontends.tflite.imported import imported, toolbox
from gradlet.tests.frontends.tflite.keras_models import NETS, converted
from gradlet.tests.small_tflite import small_tflite

STEPS, CLASSES, BATCH = 5, 3, 4


def trained(data: bytes, **options: dict) -> tuple[list[float], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Losses of five steps on one batch, and all states before and after."""
    program = imported(data, BATCH, classes=CLASSES)
    program = optimize(program, Context(toolbox()), "train", options={"sparse_update": {"scheme": "full"}, **options})
    for graph in program.graphs:
        verify(graph, toolbox().ops)
    session = ReferenceSession(program, toolbox())
    before = {name: array.copy() for name, array in session.states().items()}
    image = program.graph.inputs[0]
    assert image.type.dtype.value == "int8"
    x = np.random.default_rng(0).integers(-128, 128, image.type.shape).astype(np.int8)
    batch = {image.name: x, "label": np.arange(BATCH, dtype=np.int32) % CLASSES, "lr": np.array(0.02, np.float32)}
    losses = [float(session.train_step(batch)["loss"]) for _ in range(STEPS)]
    return losses, before, session.states()


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_small_model(dtype):
    losses, before, after = trained(small_tflite(), quantize_gradients={"dtype": dtype})
    assert losses[-1] < losses[0] and np.isfinite(losses).all()
    moved = {name for name, array in after.items() if name in before and (array != before[name]).any()}
    assert {name for name in moved if before[name].dtype == np.int8} >= {"net.conv.Relu.weight", "net.depthwise.weight"}
    assert not any(name.endswith((".ones", ".zeros", ".scale", ".multiplier")) for name in moved)


@pytest.mark.parametrize("net", NETS)
def test_a_converted_model(net):
    losses, before, after = trained(converted(net, "int8"))
    assert losses[-1] < losses[0] and np.isfinite(losses).all()
    int8 = [name for name, array in before.items() if array.dtype == np.int8 and not name.endswith(".ones")]
    assert int8 and all((after[name] != before[name]).any() for name in int8)
