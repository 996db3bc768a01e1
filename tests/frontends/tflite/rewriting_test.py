"""Models are rewritten whatever their layout: shared constants, constants behind the tables, halves, open batches."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest

from gradlet.frontends.tflite.associated_files import PLAN, read_files
from gradlet.frontends.tflite.front import KINDS
from gradlet.frontends.tflite.model import parse
from gradlet.frontends.tflite.packing import pack
from gradlet.frontends.tflite.writer import Learnt, write_back
from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.damage import changed, flipped, strange
from gradlet.tests.frontends.tflite.imported import computed, imported, toolbox
from gradlet.tests.frontends.tflite.keras_models import converted
from gradlet.tests.frontends.tflite.labelled import file
from gradlet.tests.frontends.tflite.rewritten import learnt, parameters, rewritten
from gradlet.tests.frontends.tflite.support import supported
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, tensorflow, written
from gradlet.tests.small_tflite import flatbuffer, small_model, small_tflite

CLASSES = 3


def drawn() -> np.random.Generator:
    return np.random.default_rng(0)


def test_all_fields_of_tables_that_are_written_are_known():
    tensorflow()
    import inspect

    from tensorflow.lite.python import schema_py_generated as theirs

    for table, kinds in KINDS.items():
        source = inspect.getsource(getattr(theirs, f"{table}Start"))
        assert re.findall(r"StartObject\((\d+)\)", source) == [str(len(kinds))], table
        added = {}
        for name, function in vars(theirs).items():
            if re.fullmatch(rf"{table}Add\w+", name) and callable(function):
                kind, slot = re.findall(r"Prepend(\w+)Slot\((\d+)", inspect.getsource(function))[0]
                added[int(slot)] = kind
        forms = {"UOffsetTRelative": "@", "Uint32": "I", "Int32": "i", "Int8": "b", "Uint8": "B", "Bool": "?"}
        assert "".join((forms | {"Uint64": "Q"})[added[k]] for k in range(len(kinds))) == kinds, table


# --- Layouts.


def shared(how: str) -> bytes:
    """Two dense layers of floats with one weight: the same tensor, or two tensors with one buffer."""
    weight = drawn().normal(size=(4, 4)).astype(np.float32)
    tensors = [Written((1, 4), "float32"), constant(weight), constant(weight), Written((1, 4), "float32")]
    tensors.append(Written((1, 4), "float32"))
    second = 1 if how == "tensor" else 2
    steps = [
        Step("FULLY_CONNECTED", [0, 1], [3], "FullyConnectedOptions"),
        Step("FULLY_CONNECTED", [3, second], [4], "FullyConnectedOptions"),
    ]
    data = written(tensors, steps, [0], [4])
    return _with_one_buffer(data) if how == "buffer" else data


def _with_one_buffer(data: bytes) -> bytes:
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
    model.subgraphs[0].tensors[2].buffer = model.subgraphs[0].tensors[1].buffer
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@pytest.mark.parametrize("how", ["tensor", "buffer"])
def test_what_two_layers_share_becomes_two(how):
    data = rewritten(shared(how))
    first, second = parameters(data).values()
    assert (first != second).any()
    x = drawn().normal(size=(1, 4)).astype(np.float32)
    np.testing.assert_allclose(interpreted(data, x), x @ first.T @ second.T, rtol=1e-5, atol=1e-5)


def behind(data: bytes) -> bytes:
    """The constants behind the tables, where files of more than 2 GB have them."""
    content, constants = small_model(), []
    for buffer in content["buffers"]:
        if "data" in buffer:
            constants.append(buffer.pop("data"))
            buffer |= {"offset": 2, "size": len(constants[-1])}
    position = len(flatbuffer(content)) + 15 & ~15
    tail = b""
    for buffer in content["buffers"]:
        if buffer.get("offset"):
            array = constants.pop(0)
            buffer["offset"] = position + len(tail)
            tail += array + bytes(-len(array) % 16)
    tables = flatbuffer(content)
    assert parameters(tables.ljust(position, b"\0") + tail).keys() == parameters(data).keys()
    return tables.ljust(position, b"\0") + tail


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_constants_behind_the_tables(classes):
    data = rewritten(behind(small_tflite()), classes)
    x = drawn().integers(-128, 128, (1, 6, 6, 2)).astype(np.int8)
    found, expected = interpreted(data, x), computed(imported(data), x)
    if classes:
        np.testing.assert_allclose(found, _softmax(expected), rtol=1e-5)
    else:
        np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def with_halves() -> bytes:
    tf = tensorflow()
    keras = tf.keras
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(40)]
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Sequential([keras.Input((6, 6, 3), 1), *layers]))
    converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
    return bytes(converter.convert())


def test_halves_become_floats():
    data = rewritten(with_halves())
    x = drawn().normal(size=(1, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(interpreted(data, x), computed(imported(data), x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, None])
def test_signatures_and_open_batches_stay(batch):
    whole = converted("keyword_net", "int8", batch)
    head = {name: array for name, array in learnt(whole, CLASSES).arrays.items() if array.dtype == np.float32}
    data = write_back(whole, Learnt(head, CLASSES), toolbox())
    interpreter = tensorflow().lite.Interpreter(model_content=data)
    (detail,) = interpreter.get_output_details()
    assert detail["dtype"] is np.float32 and detail["shape_signature"].tolist() == [batch or -1, CLASSES]
    ((name, signature),) = interpreter.get_signature_list().items()
    x = drawn().integers(-128, 128, (1, 20, 10, 1)).astype(np.int8)
    (found,) = interpreter.get_signature_runner(name)(**{signature["inputs"][0]: x}).values()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found, interpreted(data, x), atol=0.05)  # its kernels round in another way


def with_a_head_of_one_pixel() -> bytes:
    rng = drawn()
    w = constant(rng.integers(-127, 128, (5, 1, 1, 8)).astype(np.int8), scales=[0.01] * 5)
    b = constant(rng.integers(-99, 99, 5).astype(np.int32), scales=[0.0002] * 5)
    shapes = {"scales": [0.05], "zero": 3}
    tensors = [Written((1, 1, 1, 8), scales=[0.02], zero=-4), w, b, Written((1, 1, 1, 5), **shapes)]
    tensors += [
        constant(np.array([1, 5], np.int32)),
        Written((1, 5), **shapes),
        Written((1, 5), scales=[1 / 256], zero=-128),
    ]
    steps = [
        Step("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", {"strideW": 1, "strideH": 1}),
        Step("RESHAPE", [3, 4], [5]),
        Step("SOFTMAX", [5], [6], "SoftmaxOptions", {"beta": 1.0}),
    ]
    return written(tensors, steps, [0], [6])


def test_a_convolution_of_one_pixel_is_replaced():
    whole = with_a_head_of_one_pixel()
    change = learnt(whole, CLASSES)
    weight, bias = change.arrays.values()
    x = drawn().integers(-128, 128, (1, 1, 1, 8)).astype(np.int8)
    real = (x.reshape(1, 8).astype(np.float32) + 4) * np.float32(0.02)
    found = interpreted(write_back(whole, change, toolbox()), x)
    np.testing.assert_allclose(found, _softmax(real @ weight.T + bias), rtol=1e-5)


def test_other_outputs_stay():
    content = small_model()
    content["subgraphs"][0]["outputs"] = [13, 12, 7]
    whole = flatbuffer(content)
    head = {name: array for name, array in learnt(whole, CLASSES).arrays.items() if array.dtype == np.float32}
    data = write_back(whole, Learnt(head, CLASSES), toolbox())
    x = drawn().integers(-128, 128, (1, 6, 6, 2)).astype(np.int8)
    for number, tensor in enumerate((12, 7), 1):
        assert parse(data).outputs[number].index == tensor
        np.testing.assert_array_equal(interpreted(data, x, tensor), interpreted(whole, x, tensor))
    assert interpreted(data, x).shape == (1, CLASSES)


def test_packing_changes_no_output():
    data = converted("inverted_residuals", "int8")
    packed = pack(data, {PLAN: bytes(1000)})
    x = drawn().integers(-128, 128, (1, 16, 16, 3)).astype(np.int8)
    np.testing.assert_array_equal(interpreted(packed, x), interpreted(data, x))
    assert data in packed, "the old bytes stay"


def test_tflite_support_reads_and_goes_on_with_what_is_packed():
    metadata = supported("metadata")
    packed = pack(converted("inverted_residuals", "int8"), {PLAN: b"a plan"})
    display = metadata.MetadataDisplayer.with_model_buffer(packed)
    assert display.get_packed_associated_file_list() == [PLAN]
    assert display.get_associated_file_buffer(PLAN) == b"a plan"
    populator = metadata.MetadataPopulator.with_model_buffer(packed)
    populator.load_metadata_buffer(bytearray(display.get_metadata_buffer()))
    populator.load_associated_file_buffers({"more.txt": b"more"})
    with pytest.warns(UserWarning, match="does not exist in the metadata"):
        populator.populate()
    found = read_files(bytes(populator.get_model_buffer()))
    assert found.read(PLAN) == b"a plan" and found.read("more.txt") == b"more"


# --- What cannot be written.


def refused(write: Callable[[], bytes], code: str) -> None:
    with pytest.raises(CompileError) as caught:
        write()
    assert caught.value.code == code and caught.value.hint


def test_fields_of_a_newer_format():
    """The model has one field more than TensorFlow 2.21 knows."""
    data = bytearray(small_tflite())
    root = struct.unpack_from("<I", data)[0]
    begin = root - struct.unpack_from("<i", data, root)[0]
    size, extent = struct.unpack_from("<HH", data, begin)
    known = bytes(data[begin + 4 : begin + size]).ljust(2 * len(KINDS["Model"]), b"\0")
    struct.pack_into("<i", data, root, root - len(data))
    data += struct.pack("<HH", 4 + len(known) + 2, extent) + known + struct.pack("<H", 4)
    parse(bytes(data))
    refused(lambda: pack(bytes(data), {PLAN: b""}), "GL105")


def test_a_constant_that_lies_in_another():
    """The bias of a layer is a part of the weight of the next."""
    content = small_model()
    content["buffers"][2]["data"] = b"\7" * 16
    content["buffers"][3]["data"] = struct.pack("<I", 16) + bytes(32)
    data = bytearray(flatbuffer(content))
    vector = struct.pack("<I", 16) + b"\7" * 16
    bias, weight = data.index(vector), data.index(content["buffers"][3]["data"])
    at = next(k for k in range(0, bias, 4) if k + struct.unpack_from("<I", data, k)[0] == bias)
    struct.pack_into("<I", data, at, weight - at)
    refused(lambda: rewritten(bytes(data)), "GL117")


def test_what_reads_the_predictions():
    content = small_model()
    content["subgraphs"][0]["outputs"] = [13, 13]
    refused(lambda: rewritten(flatbuffer(content), CLASSES), "GL105")


def mutants(draw: random.Random) -> list[bytes]:
    whole = file()
    damaged = [damage(whole, draw) for damage in (flipped, strange) for _ in range(150)]
    return damaged + [changed(small_model(), draw) for _ in range(100)]


@pytest.mark.parametrize("write", ["pack", "write_back"])
def test_damaged_models(write):
    """What is read is written, and read again."""
    count, change = 0, learnt(small_tflite(), CLASSES)
    for data in mutants(random.Random(2)):
        try:
            result = pack(data, {PLAN: b""}) if write == "pack" else write_back(data, change, toolbox())
        except CompileError as error:
            caught = error
        else:
            count += 1
            parse(result)
            continue
        assert caught.code in ("GL105", "GL117", "GL118", "GL119", "GL301") and caught.hint
    assert count > 50
