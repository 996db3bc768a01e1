"""How the kernel of a node is chosen."""

from dataclasses import replace

import pytest

from gradlet.backends.tinyengine.kernel import Kernel, call, choose, choose_kernels
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, KernelChoice
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, mlp
from gradlet.tests.ops import cases

DSP = replace(HOST, name="dsp", features=frozenset({"dsp"}))


class Tools(Toolbox):
    """The built-in toolbox with other kernels."""

    def __init__(self, kernels: dict):
        super().__init__(TOOLBOX.plugins)
        self._mine = kernels

    def kernels(self, backend: str) -> dict:
        return self._mine


def node(dtype: DType = DType.F32):
    graph = Graph("g")
    made = Emit(TOOLBOX.ops, graph, loc="body.act").node("relu", graph.add_input("x", f32(2, 3)))
    made.inputs[0].type = TensorType(dtype, (2, 3))  # relu itself takes floats only
    return made


def kernel(name: str, **fields) -> Kernel:
    return Kernel(__file__, lambda n: call(name), name, **fields)


def test_op_without_a_kernel_is_an_error_with_op_backend_and_place():
    with pytest.raises(CompileError, match=r"(?s)GL310.*tinyengine has no kernel for relu.*body\.act"):
        choose(node(), HOST, Tools({}))


def test_type_without_a_kernel_is_an_error_that_tells_what_there_is():
    message = r"(?s)GL311.*no kernel of relu takes i8\[2,3\] on host.*body\.act.*portable for float32"
    with pytest.raises(CompileError, match=message):
        choose(node(DType.I8), HOST, Tools({"relu": kernel("portable")}))


def test_first_that_applies_runs():
    special = kernel("dsp", applies=lambda n, target: "dsp" in target.features)
    tools = Tools({"relu": (special, kernel("portable"))})
    assert [choose(node(), target, tools).name for target in (HOST, DSP)] == ["portable", "dsp"]


def test_choice_of_the_node_runs_if_it_can():
    special = kernel("dsp", applies=lambda n, target: "dsp" in target.features)
    tools = Tools({"relu": (special, kernel("portable"))})
    chosen = node()
    chosen.choice = KernelChoice("relu/portable")
    assert choose(chosen, DSP, tools).name == "portable"
    chosen.choice = KernelChoice("relu/dsp")
    assert choose(chosen, HOST, tools).name == "portable"


def test_kernels_of_a_type_are_told_apart():
    tools = Tools({"relu": (kernel("i8", dtypes=(DType.I8,)), kernel("f32"))})
    assert [choose(node(d), HOST, tools).name for d in (DType.F32, DType.I8)] == ["f32", "i8"]


def test_every_node_of_both_graphs_gets_a_choice():
    program = mlp()
    choose_kernels(program, HOST, TOOLBOX)
    for graph in program.graphs:
        assert all(n.choice == KernelChoice(f"{n.op}/portable") for n in graph.nodes)


def test_every_op_has_a_kernel():
    ops = {op.name for op in cases.OPS}
    assert not sorted(ops - set(cases.TOOLBOX.kernels("tinyengine")))
