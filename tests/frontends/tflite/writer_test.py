"""What was learnt is written back: TensorFlow's interpreter computes what the program does."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.frontends.tflite.endings import logits_of
from gradlet.frontends.tflite.importer import ImportOptions, import_bytes
from gradlet.frontends.tflite.model import digest, parse
from gradlet.frontends.tflite.writer import Learnt, write_back
from gradlet.ir.errors import CompileError
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.user_states import to_user
from gradlet.optimizers.compilation import optimize
from gradlet.tests.frontends.tflite.imported import real, toolbox
from gradlet.tests.frontends.tflite.keras_models import NETS, converted
from gradlet.tests.frontends.tflite.written import interpreted
from gradlet.tests.small_tflite import small_tflite

STEPS, BATCH, CLASSES = 4, 4, 3


def trained(data: bytes, classes: int | None, scheme: str) -> tuple[Program, ReferenceSession, np.ndarray]:
    """A program after some steps, where it ran, and a batch for it."""
    program = import_bytes(data, ImportOptions(classes), toolbox(), "net", BATCH)
    program = optimize(program, Context(toolbox()), "train", options={"sparse_update": {"scheme": scheme}})
    session, image = ReferenceSession(program, toolbox()), program.graph.inputs[0]
    rng = np.random.default_rng(0)
    x = rng.normal(size=image.type.shape).astype(np.float32)
    if image.type.dtype.value == "int8":
        x = rng.integers(-128, 128, image.type.shape).astype(np.int8)
    batch = {image.name: x, "label": np.arange(BATCH, dtype=np.int32) % CLASSES, "lr": np.array(0.05, np.float32)}
    for _ in range(STEPS):
        session.train_step(batch)
    return program, session, x


def learnt(program: Program, session: ReferenceSession, classes: int | None) -> Learnt:
    return Learnt(to_user(program.graph, session.states()), classes, program.metadata["tflite.digest"])


def outputs(session: ReferenceSession, program: Program, x: np.ndarray) -> np.ndarray:
    graph = program.infer or program.graph
    return session.infer({graph.inputs[0].name: x})[graph.outputs[0].name]


def theirs(data: bytes, x: np.ndarray) -> np.ndarray:
    """The logits of each sample, in floats."""
    model = parse(data)
    logits = logits_of(model, model.outputs[0])
    rows = np.concatenate([interpreted(data, sample[None], logits.index) for sample in x])
    quant = logits.quantization
    return real(rows, quant.scales[0], quant.zero_points[0]) if quant else rows


@cache
def written(net: str, kind: str, classes: int | None, scheme: str) -> tuple[bytes, np.ndarray, np.ndarray]:
    """A trained model, a batch, and what the program predicts."""
    program, session, x = trained(converted(net, kind), classes, scheme)
    return (
        write_back(converted(net, kind), learnt(program, session, classes), toolbox()),
        x,
        outputs(session, program, x),
    )


@pytest.mark.parametrize("scheme", ["full", "last_2{ratio=0.5}"])
@pytest.mark.parametrize("net", NETS)
def test_int8_bit_by_bit(net, scheme):
    data, x, expected = written(net, "int8", None, scheme)
    np.testing.assert_array_equal(theirs(data, x), expected)
    assert (theirs(converted(net, "int8"), x) != expected).any(), "nothing was learnt"
    assert len(data) == len(converted(net, "int8")), "constants are overwritten where they lie"


@pytest.mark.parametrize("kind", ["int8", "float"])
@pytest.mark.parametrize("net", NETS)
def test_a_new_head(net, kind):
    data, x, expected = written(net, kind, CLASSES, "full")
    np.testing.assert_allclose(theirs(data, x), expected, rtol=1e-5, atol=1e-5)
    assert expected.shape == (BATCH, CLASSES)
    is_softmax = net == "keyword_net"
    found = np.concatenate([interpreted(data, sample[None]) for sample in x])
    weights = np.exp(expected - expected.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, weights / weights.sum(axis=1, keepdims=True) if is_softmax else expected, 1e-4)


@pytest.mark.parametrize("net", NETS)
def test_floats(net):
    data, x, expected = written(net, "float", None, "full")
    np.testing.assert_allclose(theirs(data, x), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(theirs(converted(net, "float"), x) - expected).max() > 1e-2, "nothing was learnt"


def test_what_is_written_is_imported_as_it_is():
    data, x, expected = written("keyword_net", "int8", CLASSES, "full")
    program = import_bytes(data, ImportOptions(), toolbox(), "net", BATCH)
    program = optimize(program, Context(toolbox()), "inference")
    np.testing.assert_allclose(outputs(ReferenceSession(program, toolbox()), program, x), expected, rtol=1e-6)


def test_nothing_learnt_changes_nothing():
    data = small_tflite()
    program = import_bytes(data, ImportOptions(), toolbox(), "net")
    arrays = to_user(program.graph, {state.name: state.init for state in program.graph.states})
    assert write_back(data, Learnt(arrays), toolbox()) == data
    assert write_back(data, Learnt({}, digest=digest(parse(data))), toolbox()) == data


# --- What is refused.


def refused(learnt: Learnt, data: bytes | None = None) -> CompileError:
    with pytest.raises(CompileError) as caught:
        write_back(data or small_tflite(), learnt, toolbox())
    assert caught.value.hint
    return caught.value


def test_another_model():
    assert refused(Learnt({}, digest="0" * 64)).code == "GL119"


def test_an_unknown_parameter():
    assert refused(Learnt({"net.conv.Relu.wait": np.zeros(1, np.int8)})).code == "GL301"


@pytest.mark.parametrize("array", [np.zeros((4, 3, 3, 1), np.int8), np.zeros((4, 3, 3, 2), np.float32)])
def test_a_parameter_of_another_type(array):
    assert refused(Learnt({"net.conv.Relu.weight": array})).code == "GL119"
