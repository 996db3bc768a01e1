"""Operators that move elements give those of TensorFlow, all of them, in each type; and say what they do not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.tests.frontends.tflite.imported import imported, real, toolbox
from gradlet.tests.frontends.tflite.operators import X, f32
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, tensorflow, written
from gradlet.tools.api import compile_module

TYPES = ("float32", "int8", "int32")


@dataclass(frozen=True)
class Movement:
    """A use of an operator.

    Attributes:
        operands: Shapes of what is fed, and arrays of constants, in the order of the operator.
        results: Their shapes.
    """

    name: str
    operands: Sequence[tuple[int, ...] | np.ndarray]
    results: Sequence[tuple[int, ...]]
    table: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    version: int = 1


def i32(*numbers: Any) -> np.ndarray:
    return np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32)


def strided(x, y, begin, end, strides, **masks):
    return Movement("STRIDED_SLICE", [x, i32(begin), i32(end), i32(strides)], [y], "StridedSliceOptions", masks)


def gathered(x, indices, y, axis):
    return Movement("GATHER", [x, i32(indices)], [y], "GatherOptions", {"axis": axis})


MOVEMENTS = {
    "reshape": Movement("RESHAPE", [(2, 3, 4), i32(4, -1)], [(4, 6)]),
    "squeeze": Movement("SQUEEZE", [(2, 1, 3, 1)], [(2, 3)]),
    "expand_dims": Movement("EXPAND_DIMS", [(2, 3), i32([-1])], [(2, 3, 1)]),
    "expand_dims_first": Movement("EXPAND_DIMS", [(2, 3), i32([0])], [(1, 2, 3)]),
    "transpose": Movement("TRANSPOSE", [(2, 3, 4, 5), i32(3, 0, 2, 1)], [(5, 2, 4, 3)]),
    "transpose_of_five_axes": Movement("TRANSPOSE", [(2, 3, 1, 4, 2), i32(4, 2, 0, 3, 1)], [(2, 1, 2, 4, 3)]),
    "concatenation": Movement(
        "CONCATENATION", [(2, 3, 4), (2, 1, 4), (2, 2, 4)], [(2, 6, 4)], "ConcatenationOptions", {"axis": 1}
    ),
    "concatenation_of_last": Movement(
        "CONCATENATION", [(2, 3, 4), (2, 3, 1)], [(2, 3, 5)], "ConcatenationOptions", {"axis": -1}
    ),
    "pack": Movement("PACK", [(2, 3), (2, 3)], [(2, 2, 3)], "PackOptions", {"axis": 1, "valuesCount": 2}),
    "pack_last": Movement("PACK", [(2, 3)] * 3, [(2, 3, 3)], "PackOptions", {"axis": -1, "valuesCount": 3}),
    "unpack": Movement("UNPACK", [(2, 3, 4)], [(2, 4)] * 3, "UnpackOptions", {"axis": -2, "num": 3}),
    "split": Movement("SPLIT", [i32(2), (2, 3, 6)], [(2, 3, 2)] * 3, "SplitOptions", {"numSplits": 3}),
    "split_from_the_back": Movement("SPLIT", [i32(-3), (4, 3, 2)], [(2, 3, 2)] * 2, "SplitOptions", {"numSplits": 2}),
    "split_v": Movement(
        "SPLIT_V", [(2, 7), i32(2, -1, 1), i32(1)], [(2, 2), (2, 4), (2, 1)], "SplitVOptions", {"numSplits": 3}
    ),
    "slice": Movement("SLICE", [(4, 5, 6), i32(1, 0, 2), i32(2, -1, 3)], [(2, 5, 3)]),
    "strided": strided((4, 9), (2, 3), [1, -7], [3, 9], [1, 3]),
    "strided_backwards": strided((4, 9), (4, 3), [3, 7], [0, 1], [-1, -2], beginMask=1, endMask=1),
    "strided_masks": strided((4, 9, 3), (3, 5, 3), [1, 4, 2], [2, 1, 1], [1, 1, 1], beginMask=4, endMask=7),
    "strided_beyond": strided((4, 9), (2, 4), [2, -100], [100, 4], [1, 1]),
    "strided_shrinks": strided((4, 9, 3), (9, 2), [-1, 0, 1], [0, 9, 3], [1, 1, 1], shrinkAxisMask=1),
    "strided_shrinks_masked": strided((4, 9), (9,), [2, 0], [3, 9], [1, 1], shrinkAxisMask=1, beginMask=1),
    "strided_ellipsis": strided((2, 3, 4, 5), (2, 3, 4, 2), [0, 1], [0, 3], [1, 1], ellipsisMask=1),
    "strided_ellipsis_within": strided(
        (2, 3, 4, 5), (3, 4, 2), [1, 0, 2], [2, 0, 4], [1, 1, 1], ellipsisMask=2, shrinkAxisMask=1
    ),
    "strided_new_axes": strided((4, 6), (1, 2, 1, 6), [0, 1, 0], [0, 3, 0], [1, 1, 1], newAxisMask=5),
    "strided_few": strided((4, 6, 2), (2, 6, 2), [1], [3], [1]),
    "gather": gathered((5, 3), [4, 0, 0, 2], (4, 3), 0),
    "gather_inner": gathered((2, 5, 3), [[3, 1], [0, 4]], (2, 2, 2, 3), 1),
    "gather_from_the_back": gathered((2, 5, 3), [2, 2, 0, 1], (2, 5, 4), -1),
    "gather_one": gathered((2, 5, 3), 3, (2, 3), 1),
    "reverse": Movement("REVERSE_V2", [(2, 3, 4), i32([1])], [(2, 3, 4)]),
    "broadcast_to": Movement("BROADCAST_TO", [(2, 1, 3), i32(2, 2, 4, 3)], [(2, 2, 4, 3)], version=2),
    "tile": Movement("TILE", [(2, 3, 2), i32(1, 3, 2)], [(2, 9, 4)]),
}


def model(movement: Movement, dtype: str) -> bytes:
    scales: dict[str, Any] = {"scales": [f32(X[0])], "zero": X[1]} if dtype == "int8" else {}
    operands = [constant(o) if isinstance(o, np.ndarray) else Written(o, dtype, **scales) for o in movement.operands]
    results = [Written(shape, dtype, **scales) for shape in movement.results]
    fed = [k for k, operand in enumerate(operands) if operand.content is None]
    made = range(len(operands), len(operands) + len(results))
    step = Step(movement.name, range(len(operands)), made, movement.table, movement.options, version=movement.version)
    return written([*operands, *results], [step], fed, made)


def feeds_of(program: Program) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(-128, 128, v.type.shape).astype(v.type.dtype.numpy) for v in program.graph.inputs]


def outputs(program: Program, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    named = {value.name: array for value, array in zip(program.graph.inputs, feeds, strict=True)}
    computed = Executor(program.graph, toolbox().ops).run(named)
    return [computed[value.name] for value in program.graph.outputs]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", MOVEMENTS)
def test_elements_are_those_of_tensorflow(name, dtype):
    movement = MOVEMENTS[name]
    data = model(movement, dtype)
    program = imported(data)
    feeds = feeds_of(program)
    found = outputs(program, feeds)
    for k, y in enumerate(found):
        wanted = interpreted(data, feeds, len(movement.operands) + k)
        assert y.shape == wanted.shape
        np.testing.assert_array_equal(y, real(wanted, X[0], X[1]) if dtype == "int8" else wanted)
    assert len(found) == len(movement.results)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("seed", range(8))
def test_random_strided_slices(seed, dtype):
    rng = np.random.default_rng(seed)
    count = 0
    while count < 6:
        rank = int(rng.integers(1, 5))
        shape = tuple(int(n) for n in rng.integers(1, 6, rank))
        slices = int(rng.integers(1, rank + 1))
        begin, end = (rng.integers(-7, 8, slices).tolist() for _ in range(2))
        strides = rng.choice([-2, -1, 1, 1, 2, 3], slices).tolist()
        masks = [int(rng.integers(0, 2**slices)) for _ in range(2)]
        index = tuple(
            slice(*(None if mask >> k & 1 else n for mask, n in zip(masks, ends, strict=True)), step)
            for k, (*ends, step) in enumerate(zip(begin, end, strides, strict=True))
        )
        result = np.empty(shape)[index].shape
        if 0 in result:
            continue
        count += 1
        movement = strided(shape, result, begin, end, strides, beginMask=masks[0], endMask=masks[1])
        data = model(movement, dtype)
        program = imported(data)
        feeds = feeds_of(program)
        wanted = interpreted(data, feeds)
        (found,) = outputs(program, feeds)
        np.testing.assert_array_equal(found, real(wanted, X[0], X[1]) if dtype == "int8" else wanted)


@pytest.mark.parametrize(
    "name",
    ["concatenation", "split", "split_v", "slice", "unpack", "transpose_of_five_axes", "gather_inner", "strided"],
)
def test_what_moves_a_batch_of_one_moves_a_batch_of_three(name):
    movement = MOVEMENTS[name]

    def shaped(shape: Any) -> Any:
        return shape if isinstance(shape, np.ndarray) else (1, *shape)

    if name == "transpose_of_five_axes":
        many = Movement("TRANSPOSE", [(1, 2, 3, 1), i32(0, 3, 1, 2)], [(1, 1, 2, 3)])
    else:
        options = {k: v + 1 if k == "axis" and v >= 0 else v for k, v in movement.options.items()}
        operands = [_with_batch(movement.name, k, o) for k, o in enumerate(movement.operands)]
        many = Movement(
            movement.name, [shaped(o) for o in operands], [shaped(y) for y in movement.results], movement.table, options
        )
    data = model(many, "float32")
    one, three = imported(data), imported(data, 3)
    feeds = feeds_of(three)
    together = outputs(three, feeds)
    alone = [outputs(one, [feed[k : k + 1] for feed in feeds]) for k in range(3)]
    for k, y in enumerate(together):
        np.testing.assert_array_equal(y, np.concatenate([each[k] for each in alone]))


def _with_batch(name: str, number: int, operand: Any) -> Any:
    """The constants of an operator whose operands have one more axis in front, all of which is taken."""
    if not isinstance(operand, np.ndarray):
        return operand
    first = {
        ("SLICE", 1): 0,
        ("SLICE", 2): 1,
        ("STRIDED_SLICE", 1): 0,
        ("STRIDED_SLICE", 2): 1,
        ("STRIDED_SLICE", 3): 1,
    }
    if (name, number) in first:
        return i32(first[name, number], *operand)
    return np.array(operand + 1) if (name, number) in (("SPLIT", 0), ("SPLIT_V", 2)) else operand


@pytest.mark.parametrize(("name", "dtype"), [("GATHER", "int32"), ("GATHER", "int64"), ("EMBEDDING_LOOKUP", "int32")])
def test_indices_that_are_fed(name, dtype):
    """As for words: a table of floats, which learns, and numbers of its rows."""
    table, numbers = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32), np.arange(12) * 3 % 7
    tensors = [constant(table), Written((12,), dtype), Written((12, 3), "float32")]
    step = Step(name, [0, 1] if name == "GATHER" else [1, 0], [2], "GatherOptions" if name == "GATHER" else "")
    data = written(tensors, [step], [1], [2])
    program = imported(data)
    (state,) = (s for s in program.graph.states if s.trainable)
    assert state.value.type.shape == (7, 3) and str(program.graph.inputs[0].type) == "i32[12]"
    (found,) = outputs(program, [numbers.astype(np.int32)])
    np.testing.assert_array_equal(found, interpreted(data, [numbers.astype(dtype)]))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("axis", [-1, 1, 0])
@pytest.mark.parametrize("kept", ["int32", "int64"])
def test_argmax(dtype, axis, kept):
    """Inside of a model; `CAST` keeps it from being the end."""
    shape = (2, 5, 3)
    y = tuple(n for a, n in enumerate(shape) if a != axis % 3)
    scales: dict[str, Any] = {"scales": [f32(0.1)], "zero": 4} if dtype == "int8" else {}
    tensors = [Written(shape, dtype, **scales), constant(i32([axis])), Written(y, kept), Written(y, "float32")]
    steps = [
        Step("ARG_MAX", [0, 1], [2], "ArgMaxOptions", {"outputType": {"int32": 2, "int64": 4}[kept]}),
        Step("CAST", [2], [3], "CastOptions", {}),
        Step("TANH", [3], [4]),
    ]
    data = written([*tensors, Written(y, "float32")], steps, [0], [4])
    program = imported(data)
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)
    assert "argmax" in [node.op for node in program.graph.nodes]
    np.testing.assert_allclose(outputs(program, [x])[0], interpreted(data, x), rtol=1e-6)


@pytest.mark.parametrize("with_softmax", [False, True])
def test_a_prediction_at_the_end_is_no_part_of_the_logits(with_softmax):
    shape = (3, 6)
    tensors = [Written(shape, "float32")] * 3 + [constant(i32(1)), Written((3,), "int64"), Written((3,), "int32")]
    steps = [
        Step("TANH", [0], [1]),
        Step("SOFTMAX", [1], [2], "SoftmaxOptions", {"beta": 1.0}),
        Step("ARG_MAX", [2 if with_softmax else 1, 3], [4], "ArgMaxOptions", {"outputType": 4}),
        Step("CAST", [4], [5], "CastOptions", {}),
    ]
    data = written(tensors, steps if with_softmax else [steps[0], *steps[2:]], [0], [5])
    program = imported(data)
    assert [node.op for node in program.graph.nodes] == ["tanh"]
    assert (program.graph.outputs[0].name, str(program.graph.outputs[0].type)) == ("logits", "f32[3,6]")
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(outputs(program, [x])[0].argmax(1), interpreted(data, x))


# What does not fit together, and what TensorFlow rejects as well.


@pytest.mark.parametrize("scale", [0.02, 0.03])
def test_int8_that_is_concatenated_has_one_scale(scale):
    """TensorFlow wants it, and so do we: a QUANTIZE comes before where the scales differ."""
    x, other = Written((1, 3), scales=[f32(0.02)], zero=3), Written((1, 3), scales=[f32(scale)], zero=3)
    y = Written((1, 6), scales=[f32(0.02)], zero=3)
    step = Step("CONCATENATION", [0, 1], [2], "ConcatenationOptions", {"axis": 1})
    data = written([x, other, y], [step], [0, 1], [2])
    feeds = [np.arange(3, dtype=np.int8)[None]] * 2
    if scale == 0.02:
        np.testing.assert_array_equal(outputs(imported(data), feeds)[0], real(interpreted(data, feeds), scale, 3))
        return
    with pytest.raises(RuntimeError):
        interpreted(data, feeds)
    with pytest.raises(CompileError, match="differ in more than axis 1") as caught:
        imported(data)
    assert caught.value.code == "GL118"


def test_a_constant_for_one_sample_keeps_the_batch():
    y, step = Written((1, 5), "float32"), Step("CONCATENATION", [0, 1], [2], "ConcatenationOptions", {"axis": 1})
    data = written([Written((1, 3), "float32"), constant(np.ones((1, 2), np.float32)), y], [step], [0], [2])
    assert imported(data).graph.outputs[0].type.shape == (1, 5)
    with pytest.raises(CompileError, match="batch size cannot be changed from 1 to 4: CONCATENATION") as caught:
        imported(data, 4)
    assert caught.value.code == "GL110"


WRONG = {
    "a slice beyond": Movement("SLICE", [(4, 5), i32(0, 3), i32(4, 3)], [(4, 3)]),
    "no slice": strided((4, 9), (1, 9), [3, 0], [3, 9], [1, 1]),
    "a step of 0": strided((4, 9), (4, 9), [0, 0], [4, 9], [0, 1]),
    "an index beyond": strided((4, 9), (9,), [4, 0], [5, 9], [1, 1], shrinkAxisMask=1),
    "too many slices": strided((4,), (4,), [0, 0], [4, 4], [1, 1]),
    "a row beyond": gathered((5, 3), [5], (1, 3), 0),
    "a row before": gathered((5, 3), [-1], (1, 3), 0),
    "no axis": gathered((5, 3), [1], (5, 1), 2),
    "an axis beyond": Movement("REVERSE_V2", [(2, 3), i32([2])], [(2, 3)]),
    "other parts": Movement("SPLIT_V", [(2, 7), i32(2, 4), i32(1)], [(2, 2), (2, 4)], "SplitVOptions"),
    "an uneven split": Movement("SPLIT", [i32(1), (2, 7)], [(2, 3), (2, 3)], "SplitOptions", {"numSplits": 2}),
    "another number": Movement("UNPACK", [(2, 3)], [(2,)] * 2, "UnpackOptions", {"axis": 1, "num": 2}),
    "an activation": Movement(
        "CONCATENATION", [(2, 3)], [(2, 3)], "ConcatenationOptions", {"axis": 1, "fusedActivationFunction": 1}
    ),
    "two transposed": Movement("TRANSPOSE", [(2, 3), i32(1, 0)], [(3, 2), (3, 2)]),
    "two shapes": Movement("SHAPE", [(2, 3)], [(2,), (2,)]),
    "other counts": Movement("TILE", [(2, 3), i32(2, 2)], [(4, 9)]),
    "a shape": Movement("BROADCAST_TO", [(2, 3), i32(2, 4)], [(2, 4)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together(name):
    with pytest.raises(CompileError) as caught:
        imported(model(WRONG[name], "float32"))
    assert caught.value.code == "GL118" and caught.value.where


def keras_net() -> Any:
    """Of layers that move elements, between two that learn."""
    keras = tensorflow().keras
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((6, 8, 4), batch_size=1)
    x = layers.Permute((3, 1, 2))(layers.Cropping2D(((1, 0), (2, 1)))(layers.Conv2D(5, 1)(image)))
    x = layers.Concatenate(axis=1)([x, x[:, ::-1], layers.Reshape((5, 5, 5))(x)[:, 1:3]])
    return keras.Model(image, layers.Dense(4)(layers.Flatten()(x)[:, 5:45:2]))


def test_keras_layers_that_move_elements():
    """What the converter makes of them, in int8."""
    program, data = _converted(keras_net())
    assert {"transpose", "slice", "flip", "concat", "reshape"} <= {node.op for node in program.graph.nodes}
    feeds = feeds_of(program)
    wanted = interpreted(data, feeds)
    (quant,) = _output_quantisation(data)
    np.testing.assert_array_equal(outputs(program, feeds)[0], real(wanted, *quant))


@pytest.mark.parametrize("gradients", ["float32", "int8"])
def test_what_lies_before_moved_int8_learns(gradients):
    """Alike in numpy and in C."""
    _, data = _converted(keras_net())
    x = np.random.default_rng(0).integers(-128, 128, (1, 6, 8, 4)).astype(np.int8)
    options = {"scheme": "full", "target": "x86_64", "gradients": gradients}
    states = []
    for backend in ("reference", "tinyengine"):
        compiled = compile_module(imported(data), backend=backend, **options)
        session = compiled.open()
        try:
            before = {name: array.copy() for name, array in session.states().items()}
            feed = {"label": np.array([2], np.int32), "lr": np.array(0.05, np.float32)}
            losses = [float(session.train_step(feed | _image(compiled.program, x))["loss"]) for _ in range(4)]
            states.append(dict(session.states()))
        finally:
            session.close()
        assert losses[-1] < losses[0]
        int8 = [name for name, array in before.items() if array.dtype == np.int8]
        assert len(int8) == 2 and all((states[-1][name] != before[name]).any() for name in int8)
    for name, array in states[0].items():
        if array.dtype == np.int8:
            np.testing.assert_array_equal(states[1][name], array, err_msg=name)


def _image(program: Program, x: np.ndarray) -> dict[str, np.ndarray]:
    return {program.graph.inputs[0].name: x}


def _converted(net: Any) -> tuple[Program, bytes]:
    lite = tensorflow().lite
    converter = lite.TFLiteConverter.from_keras_model(net)
    rng = np.random.default_rng(0)
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.normal(size=net.inputs[0].shape).astype(np.float32)] for _ in "1234"
    )
    converter.inference_input_type = converter.inference_output_type = tensorflow().int8
    data = bytes(converter.convert())
    return imported(data), data


def _output_quantisation(data: bytes) -> list[tuple[float, int]]:
    return [each["quantization"] for each in tensorflow().lite.Interpreter(model_content=data).get_output_details()]
