"""Functions built for cases: what shares memory, what shares code, how many threads they are for."""

import numpy as np
import pytest

from gradlet.backends.tvm.build import build
from gradlet.backends.tvm.calls import Call, calls
from gradlet.backends.tvm.function import make_function, parameters
from gradlet.backends.tvm.kernel import Buffer, Case, Kernel, flattened
from gradlet.backends.tvm.layout import places, plan_of
from gradlet.backends.tvm.memory import tensor
from gradlet.backends.tvm.package import te
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import b1, f32, i32
from gradlet.tests.backends.tvm.steps import TOOLBOX


def calls_of(graph: Graph) -> list[Call]:
    return calls(graph, TOOLBOX.kernels("tvm"), places(graph, plan_of(graph, TOOLBOX.ops)))


def run(kernel: Kernel, case: Case, *arrays: np.ndarray) -> None:
    build([(kernel, case)])[kernel, case].run(*(tensor(arrays[index]) for index in parameters(case)))


def test_equal_nodes_share_one_function():
    graph = Graph("twins")
    emit = Emit(TOOLBOX.ops, graph)
    x, y = graph.add_input("x", f32(2, 6)), graph.add_input("y", f32(3, 4))
    graph.outputs = [emit("relu", x), emit("relu", y), x, y]
    first, second = calls_of(graph)
    assert (first.kernel, first.case) == (second.kernel, second.case), "elementwise ops know no shapes, only sizes"
    built = build([(c.kernel, c.case) for c in (first, second)])
    assert len(built) == 1
    assert build([(first.kernel, first.case)])[first.kernel, first.case] is built[first.kernel, first.case]


def test_broadcast_operands_keep_their_axes():
    case = Case("add", (Buffer(f32(2, 3), 0), Buffer(f32(3), 1)), (Buffer(f32(2, 3), 2),))
    assert flattened(case) is case


def test_result_over_an_operand_is_the_same_parameter():
    case = Case("mul", (Buffer(f32(9), 0), Buffer(f32(9), 0)), (Buffer(f32(9), 0),))
    assert parameters(case) == [0]
    x = np.arange(9, dtype=np.float32)
    run(TOOLBOX.kernels("tvm")["mul"], case, x, x, x)
    np.testing.assert_array_equal(x, np.arange(9) ** 2)


def test_memory_of_two_types_is_not_taken_for_two_memories():
    """All elements read the first one, which the result has overwritten by then: in distinct memory it would stay."""

    case = Case("chain", (Buffer(i32(64), 0),), (Buffer(f32(64), 0),))
    integers = np.ones(64, np.int32)

    def compute_cast(case: Case, x):
        return [te.compute((64,), lambda i: (x(i) + x(0)).astype("float32"), name="y0")]

    function = make_function(Kernel(compute_cast), case, "chain")
    assert not function.prim.attrs["tirx.noalias"]
    run(Kernel(compute_cast), case, integers, integers.view(np.float32))
    # Element 0 was 2.0 as a float when the others read it as an integer.
    first = np.float32(2).view(np.int32)
    expected = np.full(64, np.float32(first) + 1, np.float32)
    expected[0] = 2
    np.testing.assert_array_equal(integers.view(np.float32), expected)


def test_distinct_memory_is_declared_distinct():
    case = Case("neg", (Buffer(f32(8), 0),), (Buffer(f32(8), 1),))
    assert make_function(TOOLBOX.kernels("tvm")["neg"], case, "neg").prim.attrs["tirx.noalias"]


def test_view_over_its_operand_runs_nothing():
    graph = Graph("view")
    emit = Emit(TOOLBOX.ops, graph)
    x = graph.add_input("x", b1(4, 4))
    graph.outputs = [emit("reshape", x, shape=(16,))]
    assert calls_of(graph) == []
    graph.outputs.append(x)
    assert len(calls_of(graph)) == 1


def test_kernel_that_yields_another_shape_is_found_out():
    wrong = Kernel(lambda case, x: [te.compute((3,), lambda i: x(i), name="y0")])
    case = Case("wrong", (Buffer(f32(4), 0),), (Buffer(f32(4), 1),))
    with pytest.raises(AssertionError, match="kernel of wrong"):
        make_function(wrong, case, "wrong")


@pytest.mark.parametrize(
    ("op", "shapes", "attrs"),
    [
        ("conv2d", [(1, 6, 6, 5), (8, 3, 3, 5), (8,)], {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
        ("dense", [(2, 24), (12, 24), (12,)], {"activation": "relu"}),
        ("matmul", [(9, 5), (5, 6)], {}),
        ("sum", [(4, 5, 24)], {"axis": (0, 1)}),
    ],
)
def test_loops_for_several_threads_compute_the_same(monkeypatch, op, shapes, attrs):
    from gradlet.backends.tvm.session import TvmSession

    graph = Graph("threads")
    values = [graph.add_input(f"x{i}", f32(*shape)) for i, shape in enumerate(shapes)]
    graph.outputs = [Emit(TOOLBOX.ops, graph)(op, *values, **attrs)]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    monkeypatch.setenv("TVM_NUM_THREADS", "2")
    assert "T.parallel" in make_function(*_only_call(graph), op).prim.script()
    found = TvmSession(Program(graph), TOOLBOX).infer({f"x{i}": a for i, a in enumerate(arrays)})
    (expected,) = TOOLBOX.ops[op].evaluate(arrays, attrs)
    np.testing.assert_allclose(found[graph.outputs[0].name], expected, rtol=1e-5, atol=1e-5)


def _only_call(graph: Graph) -> tuple[Kernel, Case]:
    (call,) = calls_of(graph)
    return call.kernel, call.case
