"""Whole models give what TensorFlow's interpreter gives: bit for bit in int8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradlet.frontends.tflite import FRONTEND
from gradlet.frontends.tflite.model import parse
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Role
from gradlet.ir.tensor_type import DType
from gradlet.tests.frontends.tflite.imported import computed, imported, inputs, logits, toolbox
from gradlet.tests.frontends.tflite.keras_models import KINDS, NETS, converted
from gradlet.tests.small_tflite import CLASSES, small_tflite

VWW = Path(os.environ.get("GRADLET_DATA", "../shared/data")) / "models" / "vww.tflite"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", NETS)
def test_a_converted_model(net, kind):
    data = converted(net, kind)
    program = imported(data)
    for x in inputs(program.graph, 4):
        y, wanted = computed(program, x), logits(data, x)
        if kind == "float":
            np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(y, wanted)


def test_a_model_written_without_tensorflow():
    data = small_tflite()
    program = imported(data)
    for x in inputs(program.graph, 4):
        np.testing.assert_array_equal(computed(program, x), logits(data, x))


@pytest.mark.skipif(not VWW.is_file(), reason=f"{VWW} is not there: set GRADLET_DATA")
def test_visual_wake_words():
    data = VWW.read_bytes()
    program = imported(data)
    (x,) = inputs(program.graph, 1)
    np.testing.assert_array_equal(computed(program, x), logits(data, x))


@pytest.mark.parametrize("batch", [None, 3])
def test_a_softmax_at_the_end_is_the_losss(batch):
    program = imported(converted("keyword_net", "float", None), batch)
    assert not any(node.op == "softmax" for node in program.graph.nodes)
    assert program.graph.outputs[0].name == "logits"
    assert program.graph.outputs[0].type.shape == (batch or 1, 5)


@pytest.mark.parametrize("net", NETS)
def test_the_batch_can_be_chosen(net):
    data = converted(net, "int8")
    one, three = imported(data), imported(data, 3)
    images = inputs(one.graph, 3)
    together = computed(three, np.concatenate(images))
    np.testing.assert_array_equal(together, np.concatenate([computed(one, x) for x in images]))


def test_names_and_states():
    graph = imported(small_tflite()).graph
    assert [value.name for value in graph.inputs] == ["image"]
    kinds = {state.name: (state.role, state.trainable) for state in graph.states}
    assert kinds["net.conv.Relu.weight"] == (Role.PARAMETER, True)
    assert kinds["net.conv.Relu.multiplier"] == (Role.BUFFER, False)
    assert {place for place, _, kind in (name.rpartition(".") for name in kinds)} <= {n.loc for n in graph.nodes}


def test_weights_read_back_as_they_lay_in_the_file():
    model = parse(small_tflite())
    weights = {op.outputs[0].name: op.inputs[1].content for op in model.operators if len(op.inputs) == 3}
    states = {state.name: state for state in imported(small_tflite()).graph.states}
    for name in ("net/depthwise", "net/dense"):
        state = states[f"{name.replace('/', '.')}.weight"]
        np.testing.assert_array_equal(state.source.to_user(state.init), weights[name])


def test_a_new_head():
    program = imported(small_tflite(), classes=7)
    (logits,) = program.graph.outputs
    assert (logits.name, logits.type.shape, logits.type.dtype) == ("logits", (1, 7), DType.F32)
    assert program.metadata == {"classes": "7"}
    head = logits.producer
    assert head and head.op == "dense" and head.inputs[0].producer.op == "dequantize"
    again, other = imported(small_tflite(), classes=7), imported(small_tflite(), classes=7, seed=1)
    weights = [p.graph.state_of(p.graph.outputs[0].producer.inputs[1]).init for p in (program, again, other)]
    assert (weights[0] == weights[1]).all() and (weights[0] != weights[2]).any()
    assert imported(small_tflite()).graph.outputs[0].type.shape == (1, CLASSES)


def test_tensorflow_is_not_needed(tmp_path):
    """Nor loaded, where it is there."""
    (tmp_path / "net.tflite").write_bytes(small_tflite())
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['flatbuffers'] = None\n"
        "from gradlet.frontends.tflite import FRONTEND\n"
        "from gradlet.ir.frontend import ImportRequest\n"
        "from gradlet.ir.plugin import load\n"
        f"print(FRONTEND.load(ImportRequest({str(tmp_path / 'net.tflite')!r}), load(installed=False)).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "net\n"


def test_through_the_frontend(tmp_path):
    path = tmp_path / "my-net.v2.tflite"
    path.write_bytes(small_tflite())
    assert FRONTEND.accepts(str(path)) and not FRONTEND.accepts("net.pkl")
    program = FRONTEND.load(ImportRequest(str(path), 2, {"classes": "4"}), toolbox())
    assert program.name == "my_net_v2"
    assert program.graph.outputs[0].type.shape == (2, 4)
