"""100 random int8 networks take the same steps on all backends, bit by bit where gradients are integers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.backend import Session
from gradlet.ir.graph import Graph, written_states
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.verifier import verify
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.random_int8 import Int8Case, draw, quantized_ops
from gradlet.tests.small_models import TOOLS, compiled
from gradlet.tools.api import context_of

COUNT, GROUP, STEPS = 100, 10, 4
# How far a step of float32 gradients, whose sums have no order, may differ, of the longest step of a tensor.
TOLERANCE = 1e-5
# Steps of integers that lie on the edge of rounding.
FEW = 0.02
HOST, DEVICE = TOOLS.get("targets", "x86_64"), TOOLS.get("targets", "stm32f746")


def c_host(programs: Sequence[Program]) -> Iterator[Session]:
    """All of them in one library."""
    yield from open_many(programs, HOST, TOOLS, Build(("-O1",)))


def c_device(programs: Sequence[Program]) -> Iterator[Session]:
    """Each in a firmware of its own, on a Cortex-M7."""
    for program in programs:
        yield TOOLS.get("backends", "tinyengine").open(program, DEVICE, TOOLS)


def tvm(programs: Sequence[Program]) -> Iterator[Session]:
    for program in programs:
        yield TOOLS.get("backends", "tvm").open(program, HOST, TOOLS)


# Name -> backend, target, what opens programs on it, how many networks.
PLACES = {
    "c_host": ("tinyengine", HOST, c_host, COUNT),
    "c_device": ("tinyengine", DEVICE, c_device, GROUP),
    "tvm": ("tvm", HOST, tvm, COUNT // 2),
}


def cases(start: int) -> list[Int8Case]:
    return [draw(seed, TOOLS.ops) for seed in range(start, start + GROUP)]


def compiled_for(case: Int8Case, backend: str, target: Target) -> Program:
    context = context_of(TOOLS, target, TOOLS.get("backends", backend))
    return optimize(Program(clone(case.program.graph)), context, options=case.options)


# ------------------------------------------------------------------ backends


@pytest.mark.parametrize(("place", "start"), [(p, s) for p in PLACES for s in range(0, PLACES[p][3], GROUP)])
def test_every_backend_is_the_reference(place, start):
    backend, target, open_all, _ = PLACES[place]
    pairs = [(case, compiled_for(case, backend, target)) for case in cases(start)]
    for (case, program), session in zip(pairs, open_all([p for _, p in pairs]), strict=True):
        reference = ReferenceSession(program, TOOLS)
        image = next(case.batches(program.infer, 1))
        check_same(session.infer(image), reference.infer(image), f"seed {case.seed}, before training")
        check = check_bits if case.has_integer_gradients else check_steps
        check(case, program, session, reference)
        session.close()


def check_bits(case: Int8Case, program: Program, session: Session, reference: Session) -> None:
    """Outputs, states and what is inferred then are the same."""
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        check_same(session.train_step(batch), reference.train_step(batch), f"seed {case.seed}, step {step}")
    check_same(session.states(), reference.states(), f"seed {case.seed}")
    image = next(case.batches(program.infer, 1))
    check_same(session.infer(image), reference.infer(image), f"seed {case.seed}, trained")


def check_steps(case: Int8Case, program: Program, session: Session, reference: Session) -> None:
    """From the same states, outputs are the same and steps nearly so."""
    changeable = {v.name for v in written_states(program.graph)}
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        message = f"seed {case.seed}, step {step}"
        before = reference.states()
        session.set_states({name: before[name] for name in changeable})
        check_same(session.train_step(batch), reference.train_step(batch), message)
        found, expected = session.states(), reference.states()
        for name, array in expected.items():
            check_step(found[name], array, before[name], f"{name}, {message}")


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], message: str) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=f"{name}, {message}")


def check_step(found: np.ndarray, expected: np.ndarray, before: np.ndarray, message: str) -> None:
    """Floats differ by a share of the step and by the last bit of the sum; few integers do, by one."""
    is_float = expected.dtype.kind == "f"
    found, expected, before = (a.astype(np.float64) for a in (found, expected, before))
    error, share = np.abs(found - expected), TOLERANCE * np.abs(expected - before).max(initial=0)
    if is_float:
        assert error.max(initial=0) <= share + np.spacing(np.float32(np.abs(expected).max(initial=0))), message
    else:
        assert error.max(initial=0) <= share + 1, message
        assert np.count_nonzero(error) <= max(1, FEW * error.size), message


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
    missing = (rounding | masked | linear | windows | special | broadcast | USED) - found
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
USED = quantized_ops(TOOLS.ops) - MOVES
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
