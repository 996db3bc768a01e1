"""Quantised ops bit for bit: rounded after each operation, whatever the processor could do at once."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.tvm.build import build, module_of
from gradlet.backends.tvm.calls import calls
from gradlet.backends.tvm.exact import exp, log
from gradlet.backends.tvm.function import make_function
from gradlet.backends.tvm.kernel import Buffer, Kernel
from gradlet.backends.tvm.kernel import Case as KernelCase
from gradlet.backends.tvm.layout import places
from gradlet.backends.tvm.memory import tensor
from gradlet.backends.tvm.package import te, tvm
from gradlet.backends.tvm.requantize import multiply_fixed
from gradlet.backends.tvm.session import TvmSession
from gradlet.ir import exact_math, requantize
from gradlet.ir.graph import Graph, Role
from gradlet.ir.op_def import Emit, Example
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.tests.backends.tvm.plans import overlays, planned
from gradlet.tests.ops.cases import CASES, TOOLBOX, Case

_FAMILIES = (
    "q",
    "dequantize",
    "requantize",
    "rescale_gradient",
    "ordered_",
    "master_sgd",
    "sgd",
    "momentum",
    "accumulate",
)
_FUSED = "vfmadd"


def _sums_floats(case: Case) -> bool:
    """Whether gradients in floats are added up, in whatever order."""
    sums = case.op.name.startswith("q") and case.op.name.endswith("_grad")
    return sums and any(t.dtype is DType.F32 and len(t.shape) > 1 for t in case.example.types[:2])


EXACT = [c for c in CASES if c.op.name.startswith(_FAMILIES) and not _sums_floats(c)]


def _case_of(case: Case) -> tuple[Kernel, KernelCase]:
    graph, kernels = planned(case, {}), TOOLBOX.kernels("tvm")
    (call,) = calls(graph, kernels, places(graph, graph.plan))
    return call.kernel, call.case


@pytest.fixture(scope="module", autouse=True)
def _built_at_once():
    build([_case_of(case) for case in EXACT])


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_every_bit_is_that_of_the_meaning(case):
    graph = planned(case, {})
    (node,) = graph.nodes
    session = TvmSession(Program(graph), TOOLBOX)
    for seed in range(5):
        arguments = dict(zip(node.inputs, case.arguments(seed), strict=True))
        session.set_states({s.name: arguments[s.value] for s in graph.states})
        found = session.train_step({v.name: arguments[v] for v in graph.inputs})
        expected = case.op.evaluate(case.arguments(seed), case.example.attrs)
        for value, wanted in zip(node.outputs, expected, strict=True):
            assert_same_bits(found[value.name], np.asarray(wanted))


@pytest.mark.parametrize("mask", [False, True])
def test_result_over_windows_that_overlap(mask):
    """Without padding there is no copy of the image: the loops have to run as the op promises."""
    op = TOOLBOX.ops["qdepthwise_conv2d"]
    types = [TensorType(DType.I8, (1, 7, 7, 8)), TensorType(DType.I8, (3, 3, 8)), i32(8), f32(8)]
    window = {"strides": (2, 2), "padding": (0, 0, 0, 0)}
    attrs = window | {"x_zero": -3, "y_zero": 5, "y_scale": 0.05, "mask": mask}
    case = Case(replace(op, examples=[Example(types, attrs, op.examples[0].sample)]), 0)
    assert {0: 0} in list(overlays(case))
    graph = planned(case, {0: 0})
    session = TvmSession(Program(graph), TOOLBOX)
    found = session.infer({v.name: a for v, a in zip(graph.inputs, case.arguments(), strict=True)})
    for value, wanted in zip(graph.outputs, op.evaluate(case.arguments(), attrs), strict=True):
        assert_same_bits(found[value.name], wanted)


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal, and NaN where NaN is expected."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


# No instruction that rounds once.


def _assembly(functions: list) -> str:
    target = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "opt-level": 2})
    with tvm.transform.PassContext(config={"tirx.disable_assert": True}):
        return tvm.compile(module_of(functions), target=target).mod.inspect_source("asm")


def _multiply_add(case: KernelCase, a, b, c) -> list:
    return [te.compute((64,), lambda i: a(i) * b(i) + c(i), name="y0")]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the assembly of x86")
def test_no_product_and_sum_are_put_together():
    """On a processor that has the instruction, and with a compiler that takes it where it may."""
    plain = KernelCase("plain", tuple(Buffer(f32(64), k) for k in range(3)), (Buffer(f32(64), 3),))
    assert _FUSED in _assembly([make_function(Kernel(_multiply_add), plain, "plain")])
    cases = dict.fromkeys(_case_of(case) for case in EXACT)
    functions = [make_function(*case, f"{case[1].op}_{k}") for k, case in enumerate(cases)]
    assert _FUSED not in _assembly(functions)


# What the examples do not reach.


def _run(element: Callable, dtype: str, *arrays: np.ndarray) -> np.ndarray:
    """`element` of all arrays, index by index."""
    (count,) = arrays[0].shape
    types = {"float32": f32(count), "int32": i32(count), "int64": TensorType(DType.I64, (count,))}
    buffers = tuple(Buffer(types[a.dtype.name], k) for k, a in enumerate(arrays))
    case = KernelCase("element", buffers, (Buffer(types[dtype], len(arrays)),))
    kernel = Kernel(lambda _, *reads: [te.compute((count,), lambda i: element(*(r(i) for r in reads)), name="y0")])
    y = np.empty(count, dtype)
    build([(kernel, case)])[kernel, case].run(*map(tensor, (*arrays, y)))
    return y


@pytest.mark.parametrize("kind", requantize.ROUNDINGS[1:])
def test_fixed_point_products(kind):
    rng = np.random.default_rng(0)
    ends = [-(2**31), 2**31 - 1, -1, 0, 1, 2**30, -(2**30), 3, -3, 1 << 20, -(1 << 20)]
    x = np.concatenate([rng.integers(-(2**31), 2**31, 4000), rng.integers(-3000, 3000, 4000), np.repeat(ends, 400)])
    mantissa = rng.integers(2**30, 2**31, x.size)
    # Halves, and the ends of what a mantissa can be.
    mantissa[::3], mantissa[::7], mantissa[::11] = 2**30, 2**31 - 1, 0
    shift = rng.integers(-31, 31, x.size)
    x, mantissa, shift = (a.astype(np.int32) for a in (x, mantissa, shift))
    found = _run(lambda *a: multiply_fixed(*a, kind).astype("int32"), "int32", x, mantissa, shift)
    np.testing.assert_array_equal(found, requantize.multiply_fixed(x, mantissa, shift, kind))


def test_sums_of_64_bits_are_rounded_once():
    """Close to the middle between two floats, which a detour over float64 would take for the middle itself."""
    rng = np.random.default_rng(0)
    middle = (rng.integers(2**24, 2**25, 20000) | 1) << rng.integers(1, 37, 20000)
    x = (middle + rng.integers(-1, 2, middle.size)) * rng.choice([-1, 1], middle.size)
    x[:4] = -(2**63), 2**63 - 1, 2**24 + 1, -(2**31) - 1
    assert (x.astype(np.float32) != x.astype(np.float64).astype(np.float32)).any()
    assert_same_bits(_run(lambda a: a.astype("float32"), "float32", x), x.astype(np.float32))


def test_exp_and_log():
    rng = np.random.default_rng(0)
    x = np.concatenate([-rng.exponential(20, 20000), [0, -0.5, -87.3, -103.97, -103.99, -np.inf, np.nan]])
    x = x.astype(np.float32)
    assert_same_bits(_run(exp, "float32", x), exact_math.exp(x))
    x = np.concatenate([rng.uniform(1, 10, 20000), 1 + rng.exponential(200, 20000), [1, 2, 1.4142135, np.nan]])
    x = x.astype(np.float32)
    assert_same_bits(_run(log, "float32", x), exact_math.log(x))


@pytest.mark.parametrize("name", ["int8", "int16"])
@pytest.mark.parametrize("remembered", [0.0, 1e-30, 0.3, 2.0**40])
@pytest.mark.parametrize(
    "given",
    [
        np.zeros(12),
        np.linspace(-1, 1, 12),
        np.array([1e-44, *np.zeros(11)]),
        np.array([np.inf, -np.inf, np.nan, *np.zeros(9)]),
        np.full(12, 127 / 1.5 * 2.0**-20),
    ],
    ids=["zeros", "usual", "tiny", "not finite", "power of two"],
)
def test_ranges(name, remembered, given):
    """Where nothing is remembered the tensor itself tells the unit."""
    op = TOOLBOX.ops["rescale_gradient"]
    arguments = [given.astype(np.float32).reshape(1, 12), np.array([remembered, 7], np.float32)]
    graph = Graph("ranges")
    g, state = graph.add_input("g", f32(1, 12)), graph.add_state("range", arguments[1], f32(2), Role.BUFFER)
    graph.outputs = Emit(TOOLBOX.ops, graph).node("rescale_gradient", g, state, dtype=name).outputs
    found = TvmSession(Program(graph), TOOLBOX).train_step({"g": arguments[0]}).values()
    with np.errstate(invalid="ignore"):
        expected = op.evaluate(arguments, {"dtype": name})
    for one, other in zip(found, expected, strict=True):
        assert_same_bits(one, other)
