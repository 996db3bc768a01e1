"""Damaged and hostile files end in an error with its code: 20,000 of them, quickly and in little memory."""

from __future__ import annotations

import random
import resource
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from gradlet.frontends.tflite.model import parse
from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.damage import changed, flipped, strange, truncated
from gradlet.tests.frontends.tflite.imported import imported
from gradlet.tests.frontends.tflite.operator_models import content_of, outcome, seeds
from gradlet.tests.small_tflite import Record, flatbuffer, small_model, small_tflite

DAMAGED, INCONSISTENT, UNSUPPORTED = "GL117", "GL118", "GL105"


def mutants(draw: random.Random) -> Iterator[bytes]:
    """20,000: of the small network, and of models of one operator each."""
    models = [small_tflite(), *seeds()]
    contents = [content_of(data) for data in models]
    for k in range(5_000):
        data = models[k % len(models)]
        yield flipped(data, draw)
        yield truncated(data, draw)
        yield strange(data, draw)
        yield changed(deepcopy(contents[k % len(models)]), draw)


def test_twenty_thousand_damaged_files():
    started, most = time.process_time(), peak()
    outcomes = Counter(outcome(data) for data in mutants(random.Random(0)))
    assert sum(outcomes.values()) == 20_000
    assert set(outcomes) == {"graph", DAMAGED, INCONSISTENT, UNSUPPORTED}
    assert min(outcomes.values()) > 200, f"not all ways are taken: {outcomes}"
    assert time.process_time() - started < 90
    assert peak() - most < 256 << 20


def peak() -> int:
    """The most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


HOSTILE = {
    "empty": b"",
    "text": b"this is a letter",
    "a mark alone": b"\x04\0\0\0TFL3",
    "a root in itself": b"\0\0\0\0TFL3" + bytes(100),
    "a root outside": b"\xff\xff\xff\x7fTFL3" + bytes(100),
    "a table without a list": struct.pack("<I4siHH", 8, b"TFL3", 100, 0, 0) + bytes(50),
    "another format": b"\x04\0\0\0ABCD" + bytes(100),
    "zeros": bytes(100_000),
    "ones": b"\xff" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_little(name):
    tracemalloc.start()
    try:
        assert outcome(HOSTILE[name]) == DAMAGED
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def shared(entries: int) -> bytes:
    """A model whose vector of tensors names the last of them again and again, with its long shape."""
    content = small_model()
    content["subgraphs"][0]["tensors"] = [{}] * (entries - 1) + [{"shape": [1] * 20_000}]
    data = bytearray(flatbuffer(content))
    begin = data.index(struct.pack("<I", entries)) + 4
    at = begin + 4 * entries - 4
    last = at + struct.unpack_from("<I", data, at)[0]
    for k in range(entries):
        struct.pack_into("<I", data, begin + 4 * k, last - begin - 4 * k)
    return bytes(data)


def test_what_is_named_again_and_again_is_read_within_bounds():
    tracemalloc.start()
    try:
        data, started = shared(10_007), time.process_time()
        with pytest.raises(CompileError, match="again and again") as caught:
            parse(data)
        assert caught.value.code == DAMAGED
        assert time.process_time() - started < 5
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


def with_entry(path: str, value: object) -> Record:
    content = small_model()
    *above, last = (int(key) if key.isdigit() else key for key in path.split("."))
    target: Any = content
    for key in above:
        target = target[key]
    target[last] = value
    return content


GRAPH = "subgraphs.0"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("version", 4, "version 4"),
        ("subgraphs", [], "no subgraph"),
        (f"{GRAPH}.inputs", [99], "tensor 99 of 14"),
        (f"{GRAPH}.inputs", [-1], "tensor -1"),
        (f"{GRAPH}.inputs", [0, 0], "named twice"),
        (f"{GRAPH}.inputs", [0, 1], "is a constant"),
        (f"{GRAPH}.inputs", [], "which no operator before it makes"),
        (f"{GRAPH}.outputs", [], "no input, or no output"),
        (f"{GRAPH}.operators.0.inputs", [0, 1, 99], "tensor 99"),
        (f"{GRAPH}.operators.0.inputs", [0], "has no operand 1"),
        (f"{GRAPH}.operators.0.inputs", [3, 1, 2], "which no operator before it makes"),
        (f"{GRAPH}.operators.0.outputs", [6], "which no operator before it makes"),
        (f"{GRAPH}.operators.0.outputs", [1], "which there is already"),
        (f"{GRAPH}.operators.2.outputs", [3], "which there is already"),
        (f"{GRAPH}.operators.0.opcode_index", 6, "operator code 6 of 6"),
        ("operator_codes.0.builtin_code", 2000, "an operator of number 2000"),
        (f"{GRAPH}.tensors.3.shape", [1, 6, 6, 5], "the file says [1, 6, 6, 5]"),
        (f"{GRAPH}.tensors.3.shape", [1, 6, -6, 4], "up to 8 axes"),
        (f"{GRAPH}.tensors.3.shape", [2**15, 2**15, 2**15], "up to 8 axes"),
        (f"{GRAPH}.tensors.3.type", 127, "an element type of number 127"),
        (f"{GRAPH}.tensors.3.type", 0, "int8 and float32"),
        (f"{GRAPH}.tensors.1.buffer", 99, "buffer 99"),
        (f"{GRAPH}.tensors.1.shape", [4, 3, 3, 3], "takes 108"),
        (f"{GRAPH}.tensors.1.quantization.scale", [0.1, 0.1], "2 scales"),
        (f"{GRAPH}.tensors.1.quantization.scale", [0.1, 0.1, 0.1, float("nan")], "not all between"),
        (f"{GRAPH}.tensors.1.quantization.scale", [0.1, 0.1, 0.1, -1.0], "not all between"),
        (f"{GRAPH}.tensors.1.quantization.quantized_dimension", 4, "axis 4 of 4"),
        (f"{GRAPH}.tensors.1.quantization.zero_point", [0, 0, 0, 1], "a zero point"),
        (f"{GRAPH}.tensors.3.quantization.zero_point", [128], "not all int8"),
        (f"{GRAPH}.tensors.3.quantization.zero_point", [0, 1], "2 zero points"),
        (f"{GRAPH}.tensors.3.quantization.scale", [1e-9], "too large for that of its output"),
        (f"{GRAPH}.tensors.3.shape_signature", [1, 6, 7, 4], "is none of"),
        (f"{GRAPH}.operators.0.builtin_options.stride_w", 0, "stride_* of [1, 0]"),
        (f"{GRAPH}.operators.0.builtin_options.padding", 5, "padding 5"),
        (f"{GRAPH}.operators.0.builtin_options.fused_activation_function", 9, "activation 9"),
        (f"{GRAPH}.operators.0.builtin_options.fused_activation_function", 4, "activation TANH, which"),
        (f"{GRAPH}.operators.0.builtin_options_type", 2, "CONV_2D has DepthwiseConv2DOptions"),
        ("buffers.3", {"data": np.array([1, 7], np.int32).tobytes()}, "takes"),
        ("buffers.5", {"data": np.array([1, 7], np.int32).tobytes()}, "axes [1, 7]"),
    ],
)
def test_what_does_not_fit_together_is_told(path, value, reason):
    with pytest.raises(CompileError) as caught:
        imported(flatbuffer(with_entry(path, value)))
    assert caught.value.code in (INCONSISTENT, UNSUPPORTED)
    assert reason in str(caught.value)


def test_a_head_on_a_constant():
    content = small_model()
    content["buffers"].append({"data": bytes(4)})
    content["subgraphs"][0]["tensors"][9]["buffer"] = len(content["buffers"]) - 1
    del content["subgraphs"][0]["operators"][3]
    with pytest.raises(CompileError, match="GL105.*the last layer reads a constant"):
        imported(flatbuffer(content), classes=2)


def test_a_head_in_the_place_of_weights_without_axes():
    content = with_entry(f"{GRAPH}.tensors.10.shape", [])
    content["subgraphs"][0]["tensors"][10]["quantization"] = None
    content["buffers"][content["subgraphs"][0]["tensors"][10]["buffer"]] = {"data": bytes(1)}
    with pytest.raises(CompileError, match=r"GL118.*with weights \[\] reads"):
        imported(flatbuffer(content), classes=2)


@pytest.mark.parametrize(("options", "code"), [({"classes": 0}, "GL212"), ({"seed": -1}, "GL212")])
def test_options_are_checked(options, code):
    with pytest.raises(CompileError, match=code):
        imported(small_tflite(), **options)
