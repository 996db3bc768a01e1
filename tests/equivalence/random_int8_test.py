"""100 random int8 and int16 networks take the same steps on all backends, bit by bit where gradients are integers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType
from gradlet.ir.verifier import verify
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.equivalence.int8_places import PLACES, STEPS, check_bits, check_same, check_steps, compiled_for
from gradlet.tests.random_int8 import Int8Case, draw, quantized_ops
from gradlet.tests.small_models import TOOLS, compiled

COUNT, GROUP = 100, 10
# How many networks each place runs.
COUNTS = {"c_host": COUNT, "c_device": GROUP, "tvm": COUNT // 2}


def cases(start: int) -> list[Int8Case]:
    return [draw(seed, TOOLS.ops) for seed in range(start, start + GROUP)]


# ------------------------------------------------------------------ backends


@pytest.mark.parametrize(("place", "start"), [(p, s) for p in PLACES for s in range(0, COUNTS[p], GROUP)])
def test_every_backend_is_the_reference(place, start):
    backend, target, open_all = PLACES[place]
    pairs = [(case, compiled_for(case, backend, target)) for case in cases(start)]
    for (case, program), session in zip(pairs, open_all([p for _, p in pairs]), strict=True):
        reference = ReferenceSession(program, TOOLS)
        image = next(case.batches(program.infer, 1))
        check_same(session.infer(image), reference.infer(image), f"seed {case.seed}, before training")
        check = check_bits if case.has_integer_gradients else check_steps
        check(case, program, session, reference)
        session.close()


# ------------------------------------------------------------------ passes


# Integer gradients as the rules of the ops make them.
INTEGERS = (
    "fold_constants,fold_batch_norm,fuse,dead_code,sparse_update,differentiate,fuse_gradients,fuse,quantize_gradients,"
    "order_floats,place_buffers"
)


def numbers(case: Int8Case, program: Program, **how: bool) -> list[np.ndarray]:
    """Losses and predictions of every step, then what the inference predicts."""
    session = ReferenceSession(program, TOOLS, **how)
    steps = [array for b in case.batches(program.graph, STEPS) for array in session.train_step(b).values()]
    return [*steps, *session.infer(next(case.batches(program.infer, 1))).values()]


@pytest.mark.parametrize("start", range(0, COUNT, GROUP))
def test_optimised_is_plain(start):
    """Up to rounding where gradients are real numbers, and bit by bit where they are integers; in the arena too.

    Random steps are those of the place of a weight among the states, which split_weights changes.
    """
    for case in cases(start):
        verify(case.program.graph, TOOLS.ops)
        skip = ("split_weights",) if case.draws else ()

        def made(pipeline: str, gradients: str, case: Int8Case = case, skip: Sequence[str] = skip) -> Program:
            options = case.options | {"quantize_gradients": {"dtype": gradients}}
            skipped = skip if pipeline == "train" else ()
            return optimize(Program(clone(case.program.graph)), Context(TOOLS), pipeline, options=options, skip=skipped)

        plain, optimised = (numbers(case, made(p, "float32"), float64=True) for p in ("train_plain", "train"))
        for expected, found in zip(plain, optimised, strict=True):
            assert np.isfinite(expected).all(), f"seed {case.seed} diverges"
            limit = 1e-9 * np.abs(expected.astype(np.float64)).max(initial=1e-3)
            np.testing.assert_allclose(found, expected, rtol=0, atol=limit, err_msg=f"seed {case.seed}")
        program = made("train", case.gradients)
        apart, in_arena = (numbers(case, program, in_arena=flag) for flag in (False, True))
        np.testing.assert_equal(in_arena, apart, err_msg=f"seed {case.seed}: the arena")
        if case.has_integer_gradients:
            np.testing.assert_equal(apart, numbers(case, made(INTEGERS, case.gradients)), err_msg=f"seed {case.seed}")


# ------------------------------------------------------------------ the networks themselves


def test_a_seed_is_a_network():
    assert str(draw(11, TOOLS.ops).program.graph) == str(draw(11, TOOLS.ops).program.graph)


def test_the_networks_use_all_quantised_ops():
    """In all ways that they know: roundings, windows, groups, parts, masks, constant channels."""
    drawn = [draw(seed, TOOLS.ops) for seed in range(COUNT)]
    found = {f for case in drawn for f in features(differentiated(case))}
    rounding = {f"{op} {kind}" for op in ROUNDED for kind in ("float", "double_rounding", "single_rounding")}
    masked = {f"{op} mask" for op in USED if any(e.attrs.get("mask") for e in TOOLS.ops[op].examples)}
    linear = {f"{op} {f}" for op in LINEAR for f in ("parts", "part learns", "constant channel", "saturated bias")}
    windows = {f"{op} {f}" for op in LINEAR[:2] for f in ("strides", "dilation", "uneven padding")}
    special = {"qconv2d groups", "qdepthwise_conv2d channel multiplier", "qavg_pool2d window", "float shift learns"}
    broadcast = {"qadd broadcast", "qmul broadcast", "qadd_input_grad", "qmul_input_grad"}
    int16 = {f"{op} int16" for op in INT16} | {f"{op}{f}" for op in LINEAR for f in ("_weight_grad int16", " ends")}
    missing = (rounding | masked | linear | windows | special | broadcast | int16 | USED) - found
    assert not missing
    assert {case.gradients for case in drawn} == {"int8", "int16", "float32"}
    assert {case.program.graph.inputs[0].type.shape[0] for case in drawn} == {1, 2, 3}
    assert len({case.classes for case in drawn}) >= 5


# What moves int8 elements without changing them is tested with each op.
MOVES = {
    "broadcast_to",
    "concat",
    "flip",
    "gather",
    "max_pool2d",
    "pad",
    "reshape",
    "resize",
    "slice",
    "split",
    "transpose",
}
USED = quantized_ops(TOOLS.ops, DType.I8, DType.I16) - MOVES
INT16 = quantized_ops(TOOLS.ops, DType.I16) - MOVES
ROUNDED = sorted(op for op in USED if any("rounding" in e.attrs for e in TOOLS.ops[op].examples))
LINEAR = ("qconv2d", "qdepthwise_conv2d", "qdense")


def differentiated(case: Int8Case) -> Graph:
    return compiled(case.program.graph, "sparse_update,split_weights,differentiate", **case.options).graph


def features(graph: Graph) -> Iterator[str]:
    """What occurs in a training step."""
    states = {s.value: s for s in graph.states}
    yield from ("float shift learns" for s in graph.states if s.trainable and s.name.endswith("shift"))
    for node in graph.nodes:
        attrs, x = node.attrs, node.inputs[0].type
        padding = attrs.get("padding", (0, 0, 0, 0))
        weights = [states[v] for v in node.inputs[1 : 1 + attrs.get("parts", 1)]] if node.op in LINEAR else []
        has = {
            "mask": attrs.get("mask"),
            attrs.get("rounding", ""): True,
            "parts": len(weights) > 1,
            "part learns": len({w.trainable for w in weights}) > 1,
            "int16": any(v.type.dtype is DType.I16 and v.type.quant for v in (*node.inputs, *node.outputs)),
            "ends": attrs.get("y_max", 2**15 - 1) < 2**15 - 1,
            "strides": max(attrs.get("strides", (1,))) > 1,
            "dilation": max(attrs.get("dilation", (1,))) > 1,
            "uneven padding": padding[:2] != padding[2:],
            "groups": attrs.get("groups", 1) > 1,
            "broadcast": len({v.type.shape for v in node.inputs}) > 1,
            "window": attrs.get("kernel", x.shape[1:3]) != x.shape[1:3],
            "channel multiplier": node.op == LINEAR[1] and node.outputs[0].type.shape[3] != x.shape[3],
        }
        if weights:
            bias = states[node.inputs[1 + len(weights)]]
            has["constant channel"] = 0.0 in bias.value.type.quant.scale
            has["saturated bias"] = np.abs(bias.init.astype(np.int64)).max() == 2**31 - 1
        yield node.op
        yield from (f"{node.op} {name}" for name, is_so in has.items() if is_so)
