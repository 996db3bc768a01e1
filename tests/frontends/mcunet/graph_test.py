"""What a checkpoint becomes: ops, shapes, names, scales and what may learn."""

import pickle

import numpy as np
import pytest

from gradlet.frontends.mcunet.checkpoint import network
from gradlet.frontends.mcunet.pickled import unpickled
from gradlet.ir.graph import Role
from gradlet.ir.tensor_type import DType, QuantParams
from gradlet.tests.frontends.mcunet.imported import imported, imported_content
from gradlet.tests.frontends.mcunet.real import NETWORKS, path_of
from gradlet.tests.int8_witness import read_checkpoint
from gradlet.tests.small_checkpoint import CLASSES, CONVOLUTIONS, RESOLUTION, checkpoint, pickled, zipped

LINEAR = ("qconv2d", "qdepthwise_conv2d")


def records(content: dict) -> dict:
    """Place -> record of each convolution but the classifier, in order."""
    found = {"first_conv": content["first_conv"]}
    for index, block in enumerate(content["blocks"]):
        found |= {f"blocks.{index}.{k}": block[k] for k in ("pointwise1", "depthwise", "pointwise2") if block[k]}
    return found


def check_convolutions(graph, content: dict) -> None:
    """The nodes in order, the types of their results and operands."""
    nodes = [n for n in graph.nodes if n.op in LINEAR]
    expected = records(content)
    assert [n.loc for n in nodes] == list(expected)
    side = graph.inputs[0].type.shape[1]
    for node in nodes:
        record, (_, weight, bias, scale) = expected[node.loc], node.inputs
        p, outputs, kernel = record["params"], record["out_channel"], record["kernel_size"]
        side = -(-side // record["stride"])
        assert node.outputs[0].type.shape == (1, side, side, outputs)
        assert node.outputs[0].type.quant == QuantParams((p["y_scale"],), (p["y_zero"],))
        is_depthwise = node.op == "qdepthwise_conv2d"
        assert is_depthwise == (record["groups"] > 1)
        assert weight.type.shape == ((*kernel, outputs) if is_depthwise else (outputs, *kernel, record["in_channel"]))
        axis = 2 if is_depthwise else 0
        learning = np.array(weight.type.quant.scale) > 0
        wanted = np.where(learning, p["w_scales"].astype(np.float64), 0)
        assert weight.type.quant == QuantParams(tuple(wanted), (0,) * outputs, axis)
        assert bias.type.quant == QuantParams(tuple(p["x_scale"] * wanted), (0,) * outputs, 0)
        assert (weight.type.dtype, bias.type.dtype, scale.type.dtype) == (DType.I8, DType.I32, DType.F32)
        kept = (graph.state_of(scale).init == (p["x_scale"] * wanted / p["y_scale"]).astype(np.float32))[learning]
        assert kept.all()


def test_convolutions():
    content = checkpoint()
    graph = imported_content(content).graph
    assert len(records(content)) == CONVOLUTIONS
    check_convolutions(graph, content)
    assert [n.op for n in graph.nodes[-5:]] == ["qadd", "qavg_pool2d", "reshape", "qdense", "dequantize"]


@pytest.mark.parametrize("name", NETWORKS)
def test_convolutions_of_the_published_networks(name):
    path = path_of(name)
    graph = imported(path).graph
    assert graph.name == name.replace("-", "_").replace(".", "_")
    assert sum(n.op in LINEAR for n in graph.nodes) == NETWORKS[name].convolutions
    assert graph.inputs[0].type.shape == (1, 128, 128, 3)
    assert graph.inputs[0].type.quant == QuantParams((1 / 127.5,), (0,))
    assert graph.outputs[0].type.shape == (1, 1000)
    check_convolutions(graph, read_checkpoint(path))


def test_states():
    graph = imported_content(checkpoint()).graph
    for state in graph.states:
        place, _, kind = state.name.rpartition(".")
        assert place in [n.loc for n in graph.nodes]
        assert state.trainable == (kind in ("weight", "bias"))
        assert state.role == (Role.BUFFER if kind == "scale" else Role.PARAMETER)


def test_weights_read_back_as_they_lay_in_the_checkpoint():
    content = checkpoint()
    states = {s.name: s for s in imported_content(content).graph.states}
    for place, record in {**records(content), "classifier": content["classifier"]}.items():
        weight = states[f"{place}.weight"]
        learning = np.array(weight.value.type.quant.scale) > 0
        assert weight.source.name == weight.name
        user = weight.source.to_user(weight.init)
        np.testing.assert_array_equal(user[learning], record["params"]["weight"][learning])
        assert not user[~learning].any()


def test_an_addition_has_the_scales_of_both_operands():
    content = checkpoint()
    (node,) = (n for n in imported_content(content).graph.nodes if n.op == "qadd")
    assert node.loc == "blocks.2.residual"
    skip, y = content["blocks"][2]["residual"]["params"], content["blocks"][2]["pointwise2"]["params"]
    assert [v.producer.loc for v in node.inputs] == ["blocks.1.pointwise2", "blocks.2.pointwise2"]
    assert [node.attrs[k] for k in ("x1_scale", "x1_zero")] == [skip["x_scale"], skip["x_zero"]]
    assert [node.attrs[k] for k in ("x2_scale", "x2_zero")] == [y["y_scale"], y["y_zero"]]
    assert [node.attrs[k] for k in ("y_scale", "y_zero")] == [skip["y_scale"], skip["y_zero"]]


@pytest.mark.parametrize("rounding", ["double_rounding", "single_rounding"])
def test_fixed_point_rounding_has_a_multiplier(rounding):
    graph = imported_content(checkpoint(), rounding=rounding).graph
    rounded = [n for n in graph.nodes if n.op.startswith("q")]
    assert {n.attrs["rounding"] for n in rounded} == {rounding}
    for node in rounded:
        if node.op in (*LINEAR, "qdense"):
            scale, multiplier = (graph.state_of(v).init for v in node.inputs[3:])
            mantissa, shift = multiplier.T.astype(np.float64)
            np.testing.assert_allclose(mantissa * 2.0 ** (shift - 31), scale, rtol=1e-6)


def test_a_new_head_is_drawn_like_torchs():
    program = imported_content(checkpoint(), classes=1000, seed=3)
    assert program.metadata == {"classes": "1000"}
    assert [n.op for n in program.graph.nodes[-4:]] == ["qavg_pool2d", "reshape", "dequantize", "dense"]
    weight, bias = (s for s in program.graph.states if s.name.startswith("classifier."))
    assert weight.trainable and bias.trainable and weight.init.dtype == np.float32
    bound = 1 / np.sqrt(weight.init.shape[1])
    for state in (weight, bias):
        assert np.abs(state.init).max() <= bound
        assert abs(state.init.std() - bound / np.sqrt(3)) < 0.1 * bound
    again, other = (imported_content(checkpoint(), classes=1000, seed=seed).graph.states[-1].init for seed in (3, 4))
    np.testing.assert_array_equal(again, bias.init)
    assert (other != bias.init).any()


def test_without_classes_the_classifier_is_kept():
    content = checkpoint()
    program = imported_content(content)
    weight = next(s for s in program.graph.states if s.name == "classifier.weight")
    np.testing.assert_array_equal(weight.init, content["classifier"]["params"]["weight"][:, :, 0, 0])
    assert program.graph.outputs[0].name == "logits" and program.graph.outputs[0].type.shape == (1, CLASSES)


@pytest.mark.parametrize(("side", "pooled"), [(None, 4), (1, 1), (7, 2), (33, 9)])
def test_other_resolutions(side, pooled):
    graph = imported_content(checkpoint(), resolution=side).graph
    assert graph.inputs[0].type.shape == (1, side or RESOLUTION, side or RESOLUTION, 3)
    (pool,) = (n for n in graph.nodes if n.op == "qavg_pool2d")
    assert pool.inputs[0].type.shape == (1, pooled, pooled, 16)


def test_batch(tmp_path):
    path = tmp_path / "net.pkl"
    path.write_bytes(zipped(pickled(checkpoint())))
    graph = imported(path, batch=3).graph
    assert graph.inputs[0].type.shape == (3, RESOLUTION, RESOLUTION, 3)
    assert graph.outputs[0].type.shape == (3, CLASSES)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("rename", [True, False])
def test_what_other_versions_of_pickle_and_numpy_write(protocol, rename):
    content = checkpoint()
    data = pickled(content, protocol) if rename else pickle.dumps(content, protocol)
    read = network(unpickled(data))
    np.testing.assert_array_equal(read.classifier.weight, content["classifier"]["params"]["weight"])
