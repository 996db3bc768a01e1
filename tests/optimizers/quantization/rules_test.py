"""Every op on int8 and int16 differs from the float op by no more than its rounding explains."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.ir.graph import Graph, Role, Value
from gradlet.ir.int8_functions import FUNCTIONS
from gradlet.ir.tensor_type import i32
from gradlet.optimizers.linear_ops import LINEAR
from gradlet.optimizers.quantization.calibration import run
from gradlet.optimizers.quantization.scales import Quantization
from gradlet.tests.optimizers.quantization.small_graphs import TOOLS, Builder, Made, quantised

# Relative error of a few operations in float32.
SLACK = 1e-5
HALF = 0.5 + 1e-4
BOTH = pytest.mark.parametrize("activations", ["asymmetric", "int16"])
RULES = TOOLS.converters("int8")


def quantization(value: Value) -> Quantization:
    assert value.type.quant
    return Quantization(value.type.quant.scale[0], value.type.quant.zero_point[0], value.type.dtype.bits)


def values(graph: Graph, feed: dict[str, np.ndarray]) -> dict[Value, np.ndarray]:
    found: dict[Value, np.ndarray] = {state.value: state.init for state in graph.states}
    run(graph, TOOLS.ops, feed, lambda value, array: found.__setitem__(value, array))
    return found


def check(made: Made, bound, *, int8: tuple[str, ...]) -> None:
    """Compares the output for every sample.

    Args:
        bound: `(scale of y, real inputs by name) -> array`: how far a real result may be from that of the float op on
            the same real inputs, before both are clamped to the range of the integers.
        int8: The ops of the int8 graph between `quantize` and `dequantize`.
    """
    graph = made.program.graph
    assert tuple(n.op for n in graph.nodes if n.op not in ("quantize", "dequantize")) == int8
    assert not made.report.in_float
    entries = {n.inputs[0].name: n.outputs[0] for n in graph.nodes if n.op == "quantize"}
    for feed in made.feeds:
        found = values(graph, feed)
        real = {name: quantization(q).real(found[q]) for name, q in entries.items()}
        inputs = {name: real[name] for name in feed}
        constants = {n: a for n, a in real.items() if n not in feed}
        expected = run(_with_states(made.exact, constants), TOOLS.ops, inputs)
        for value in graph.outputs:
            assert value.producer and value.producer.op == "dequantize"
            q = quantization(value.producer.inputs[0])
            low, high = q.interval
            error = np.abs(found[value].astype(np.float64) - np.clip(expected[value.name], low, high))
            allowed = bound(q.scale, inputs) + SLACK * np.abs(expected[value.name])
            assert (error <= allowed).all(), f"{value}: {(error / allowed).max()} times what is allowed"
            assert len(np.unique(found[value])) > 1, "a constant has no error"


def _with_states(graph: Graph, content: dict[str, np.ndarray]) -> Graph:
    for state in graph.states:
        state.init = content.get(state.name, state.init)
    return graph


def rounded(scale: float, inputs: object) -> float:
    return HALF * scale


def exact(scale: float, inputs: object) -> float:
    return 0.0


def weight_errors(made: Made, op, per_tensor: bool = False):
    """Half a step of every weight and of the bias, summed: the float op on absolute inputs and half steps."""
    node = next(n for n in made.program.graph.nodes if n.op in (f"q{name}" for name in LINEAR))
    weight, bias = node.inputs[1].type.quant, node.inputs[2].type.quant
    old = next(n for n in made.exact.nodes if n.op in LINEAR)
    shape = old.inputs[1].type.shape
    assert len(set(weight.scale)) == 1 or not per_tensor
    columns = np.array(weight.scale).reshape([-1 if a == weight.axis else 1 for a in range(len(shape))])
    attrs = {**old.attrs, "activation": "none"}

    def bound(scale: float, inputs: dict[str, np.ndarray]) -> np.ndarray:
        halves = np.broadcast_to(columns * HALF, shape).astype(np.float64)
        (x,) = inputs.values()
        (sums,) = TOOLS.ops[old.op].evaluate([np.abs(x.astype(np.float64)), halves], attrs)
        return HALF * scale + sums + HALF * np.array(bias.scale)

    return bound


@BOTH
@pytest.mark.parametrize("weights", ["per_channel", "per_tensor"])
@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
@pytest.mark.parametrize("op", ["conv2d", "grouped", "depthwise_conv2d", "dense", "wide dense"])
def test_layers(op, activation, weights, activations):
    b = Builder(3)
    x = b.input(*{"dense": (3, 12), "wide dense": (2, 3, 12)}.get(op, (2, 5, 6, 8)))
    if op == "conv2d":
        y = b.conv(x, 6, stride=2, activation=activation)
    elif op == "grouped":
        y = b.conv(x, 6, groups=2, activation=activation, bias=False)
    elif op == "depthwise_conv2d":
        y = b.depthwise(x, 5, activation=activation)
    else:
        y = b.dense(x, 7, activation=activation)
    made = quantised(b, [y], weights=weights, activations=activations)
    name = {"grouped": "conv2d", "wide dense": "dense"}.get(op, op)
    around = ("reshape",) if op == "wide dense" else ()
    check(made, weight_errors(made, name, weights == "per_tensor"), int8=(*around, f"q{name}", *around))


@pytest.mark.parametrize("shapes", [((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5), (5,)), ((2, 1, 4, 1), (2, 3, 1, 5))])
@pytest.mark.parametrize("activations", ["asymmetric", "symmetric", "int16"])
@pytest.mark.parametrize("op", ["add", "sub", "mul"])
def test_pairs(op, activations, shapes):
    b = Builder()
    x1, x2 = (b.input(*shape, name=f"x{k}") for k, shape in enumerate(shapes))
    made = quantised(b, [b(op, x1, x2)], activations=activations)
    check(made, rounded, int8=({"mul": "qmul"}.get(op, "qadd"),))
    symmetric = all(v.type.quant.zero_point == (0,) for v in made.program.graph.values() if v.type.quant)
    assert symmetric == (activations != "asymmetric")


@BOTH
@pytest.mark.parametrize("factor", [0.35, 3.0])
def test_numbers_that_scale(factor, activations):
    b = Builder()
    made = quantised(b, [b("relu", b("scale", b.input(2, 60), factor=factor))], activations=activations)
    check(made, rounded, int8=("requantize",))
    negative = Builder()
    y = negative("scale", negative("neg", negative.input(2, 60)), factor=-factor)
    assert [why for _, _, why in quantised(negative, [y]).report.in_float] == [f"scales by {-factor:g}"]


def test_a_constant_operand_stays_a_float_that_learns():
    b = Builder()
    made = quantised(b, [b("bias_add", b("add", b.input(2, 3, 4), b.parameter("c", 3, 4)), b.parameter("d", 4))])
    assert [s.value.type.dtype.is_float and s.trainable for s in made.program.graph.states] == [True, True]
    inner = next(n.outputs[0] for n in made.program.graph.nodes if n.op == "qadd")
    check(made, lambda scale, inputs: HALF * (scale + quantization(inner).scale), int8=("qadd", "qadd"))


@BOTH
def test_a_sum_that_is_clamped_needs_no_op_for_that(activations):
    b = Builder()
    y = b("relu", b("add", b.input(2, 3, 4), b.input(2, 3, 4, name="z")))
    made = quantised(b, [y], activations=activations)
    check(made, rounded, int8=("qadd",))
    y = made.program.graph.nodes[-1].inputs[0]
    assert (quantization(y).zero_point, y.producer.attrs.get("y_min")) == {
        "asymmetric": (-128, None),
        "int16": (0, 0),
    }[activations]


@BOTH
def test_a_clamp_to_an_interval_ends_what_is_before_it(activations):
    """As a network that was made for it may have it; beyond its ends the range has no room."""
    b = Builder(3)
    made = quantised(b, [b("clip", b.conv(b.input(2, 5, 6, 8), 6), lo=-0.25, hi=0.5)], activations=activations)
    errors = weight_errors(made, "conv2d")
    check(made, lambda scale, inputs: errors(scale, inputs) + HALF * scale, int8=("qconv2d",))


@BOTH
@pytest.mark.parametrize("transposed", [False, True])
def test_matrix_products(transposed, activations):
    b = Builder()
    x1, x2 = b.input(2, 3, 7), b.input(*((5, 7) if transposed else (2, 7, 5)), name="z")
    made = quantised(b, [b("matmul", x1, x2, **({"transpose_b": True} if transposed else {}))], activations=activations)
    check(made, rounded, int8=("qmatmul",))


def test_sums_that_int32_may_not_hold_stay_in_float32():
    b = Builder()
    y = b("matmul", b("add", b.input(1, 33_100), b.input(1, 33_100, name="z")), b.input(33_100, 1, name="w"))
    assert [op for op, _, _ in quantised(b, [y]).report.in_float] == ["matmul"]
    b = Builder()
    y = b("add", b.input(1, 257, 256, 1), b.input(1, 257, 256, 1, name="z"))
    mean = b("mean", y, axis=(1, 2))
    pool = b("avg_pool2d", y, kernel=(257, 256), strides=(1, 1), padding=(0, 0, 0, 0))
    made = quantised(b, [mean, pool], feeds=b.feeds(1), activations="int16")
    why = "sums 65792 numbers, more than int32 holds"
    assert [(op, why) for op, _, why in made.report.in_float] == [("mean", why), ("avg_pool2d", why)]


OPTIONS = {"clip": {"lo": -0.4, "hi": 0.9}, "elu": {"alpha": 0.7}, "leaky_relu": {"alpha": 0.1}}


@pytest.mark.parametrize("activations", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("function", [*FUNCTIONS, "relu"])
def test_functions(function, activations):
    b = Builder()
    y = b(function, b.input(2, 60), **OPTIONS.get(function, {}))
    low = 0.2 if function in ("log", "rsqrt", "sqrt") else -1.0
    made = quantised(b, [y], feeds=b.feeds(low=low), activations=activations)
    clamps = function in ("relu", "clip") and activations == "asymmetric"
    # The ends of int8 lie within half a step of those of the clamp.
    check(made, lambda scale, inputs: (1 + clamps) * HALF * scale, int8=("requantize" if clamps else "qlookup",))


@pytest.mark.parametrize("function", [*FUNCTIONS, "relu"])
def test_functions_of_int16(function):
    """As straight lines between 512 entries; a clamp is exact."""
    b = Builder()
    options = OPTIONS.get(function, {})
    low = 0.2 if function in ("log", "rsqrt", "sqrt") else -1.0
    made = quantised(b, [b(function, b.input(2, 60), **options)], feeds=b.feeds(low=low), activations="int16")
    clamps = function in ("relu", "clip")
    step = 128 * quantization(made.program.graph.nodes[0].outputs[0]).scale

    def value(x: np.ndarray) -> np.ndarray:
        return np.asarray(TOOLS.ops[function].evaluate([x.astype(np.float64)], options)[0])

    def bound(scale: float, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Rounded entries, rounded lines; a line is furthest from a parabola in the middle; an entry may be clamped."""
        before = np.floor(inputs["x"].astype(np.float64) / step + 1e-9) * step
        ends = np.stack([value(before), value(before + step)])
        middle = np.abs(value(before + step / 2) - ends.mean(axis=0))
        beyond = np.maximum(np.abs(ends) - 32767 * scale, 0).max(axis=0)
        return (2 - clamps) * HALF * scale + (0 if clamps else 1.1 * middle + beyond)

    check(made, bound, int8=("requantize" if clamps else "qlookup",))


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_symmetric_layers_are_clamped_by_a_table(activation):
    b = Builder()
    made = quantised(b, [b.conv(b.input(2, 5, 6, 8), 6, activation=activation)], activations="symmetric")
    check(made, weight_errors(made, "conv2d"), int8=("qconv2d", "qlookup"))
    quants = [v.type.quant for v in made.program.graph.values() if v.type.quant]
    assert all(set(q.zero_point) == {0} for q in quants)


POOLS = {
    "plain": {"kernel": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0)},
    "padded": {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)},
    "without padding": {"kernel": (3, 2), "strides": (1, 1), "padding": (1, 0, 1, 1), "count_include_pad": False},
}


@BOTH
@pytest.mark.parametrize("name", POOLS)
def test_means_of_windows(name, activations):
    b = Builder()
    made = quantised(b, [b("avg_pool2d", b.input(2, 6, 6, 3), **POOLS[name])], activations=activations)
    check(made, rounded, int8=("pad", "qavg_pool2d") if name == "padded" else ("qavg_pool2d",))


@BOTH
@pytest.mark.parametrize("axis", [(1, 2), (0,), (1, 3)])
@pytest.mark.parametrize("op", ["mean", "sum"])
def test_reductions(op, axis, activations):
    b = Builder()
    made = quantised(b, [b(op, b.input(2, 5, 6, 3), axis=axis, keepdims=axis == (0,))], activations=activations)
    check(made, rounded, int8=(f"q{op}",))


@BOTH
@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_the_larger_and_the_smaller_of_two_have_their_scale(op, activations):
    b = Builder()
    made = quantised(b, [b(op, b.input(2, 3), b.input(3, name="z"))], activations=activations)
    check(made, exact, int8=(op,))


MOVES = {
    "broadcast_to": {"shape": (3, 2, 4, 6, 3)},
    "flip": {"axis": (1, 3)},
    "max": {"axis": (1, 2)},
    "min": {"axis": (3,), "keepdims": True},
    "max_pool2d": {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)},
    "pad": {"before": (0, 1, 2, 0), "after": (0, 0, 1, 3)},
    "reshape": {"shape": (8, 18)},
    "resize": {"size": (7, 3), "mode": "nearest"},
    "slice": {"axis": 2, "begin": 1, "end": 4},
    "transpose": {"axes": (0, 3, 1, 2)},
}


@BOTH
@pytest.mark.parametrize("op", MOVES)
def test_what_moves_elements_changes_none(op, activations):
    b = Builder()
    check(quantised(b, [b(op, b.input(2, 4, 6, 3), **MOVES[op])], activations=activations), exact, int8=(op,))


@BOTH
@pytest.mark.parametrize("attrs", [{}, {"align_corners": True}, {"half_pixel_centers": False}])
def test_images_are_blended(attrs, activations):
    """With weights in 1024ths: a position is off by up to half of one for each pixel of the result."""
    b = Builder()
    y = b("resize", b.input(2, 4, 6, 3), size=(7, 9), mode="bilinear", **attrs)
    made = quantised(b, [y], activations=activations)
    most = 2 ** made.program.graph.nodes[0].outputs[0].type.dtype.bits - 1
    check(made, lambda scale, inputs: scale * (HALF + most * (7 + 9) / 2048), int8=("resize",))


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_transposed_convolutions(strides):
    """As convolutions of pixels spread apart; their bias and activation are fused."""
    b = Builder(3)
    x, w = b.input(2, 5, 6, 8), b.parameter("up.weight", 8, 3, 3, 6, spread=0.12)
    size = {"input_shape": (2, 5 * strides[0], 6 * strides[1], 6)}
    y = b("conv2d_input_grad", x, w, strides=strides, padding=(1, 1, *(1 if s == 1 else 0 for s in strides)), **size)
    y = b("relu", b("bias_add", y, b.parameter("up.bias", 6, spread=0.1)))
    content, attrs = b.graph.states[0].init.copy(), b.graph.nodes[0].attrs
    made = quantised(b, [y])
    weight, bias = (next(s for s in made.program.graph.states if s.name == f"up.{name}") for name in ("weight", "bias"))
    steps = np.array(weight.value.type.quant.scale)

    def bound(scale: float, inputs: dict[str, np.ndarray]) -> np.ndarray:
        halves = np.broadcast_to(HALF * steps, content.shape)
        (sums,) = TOOLS.ops["conv2d_input_grad"].evaluate([np.abs(inputs["x"].astype(np.float64)), halves], attrs)
        return HALF * scale + sums + HALF * np.array(bias.value.type.quant.scale)

    check(made, bound, int8=((), ("reshape", "pad", "reshape"))[strides != (1, 1)] + ("qconv2d",))
    assert (np.abs(weight.source.to_user(weight.init) - content) <= (HALF + SLACK) * steps).all()


def test_what_indices_take():
    b = Builder()
    order = np.array([2, 1, 0, 1, -1], np.int32)
    indices = b.graph.add_state("indices", order, i32(5), Role.BUFFER)
    check(quantised(b, [b("gather", b.input(2, 6, 3), indices, axis=1)]), exact, int8=("gather",))


@BOTH
def test_splits(activations):
    b = Builder()
    y = b.emit.node("split", b.input(2, 6, 3), axis=1, sizes=(2, 1, 3)).outputs
    check(quantised(b, y, activations=activations), exact, int8=("split",))


def test_what_is_joined_has_one_scale():
    b = Builder()
    made = quantised(b, [b("concat", b.input(2, 3), b.input(2, 4, name="z"), axis=1)], feeds=_uneven())
    check(made, exact, int8=("concat",))
    low, high = quantization(made.program.graph.nodes[-1].inputs[0]).interval
    assert low < -2.9 and high > 6.9


def _uneven() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        {"x": rng.uniform(-3, 1, (2, 3)).astype(np.float32), "z": rng.uniform(0, 7, (2, 4)).astype(np.float32)}
        for _ in range(40)
    ]


def test_every_rule_is_tested():
    pairs, pools = (
        ("add", "sub", "mul", "matmul", "bias_add", "scale"),
        ("avg_pool2d", "mean", "sum", "maximum", "minimum"),
    )
    tested = {*LINEAR, *MOVES, *FUNCTIONS, *pairs, *pools, "relu", "split", "concat", "gather"}
    assert set(RULES) == tested
