"""A program of one op, on one type, carries nothing that it does not use: clang says so of what is left over."""

import shutil
from pathlib import Path

import pytest

from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import LANGUAGE, WARNINGS, Compiler
from gradlet.backends.tinyengine.kernel import leading_type
from gradlet.backends.tinyengine.model import describe
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import OpDef
from gradlet.ir.program import Program
from gradlet.tests.backends.tinyengine.programs import HOST
from gradlet.tests.ops.cases import OPS, TOOLBOX, Case, add_case


def programs(op: OpDef) -> dict[str, Program]:
    """All examples of an op, by the type that its kernels are chosen by."""
    graphs: dict[str, Graph] = {}
    for number in range(len(op.examples)):
        alone = Graph("alone")
        add_case(alone, Case(op, number))
        name = f"{op.name}_{leading_type(alone.nodes[0]).value}"
        graph = graphs.setdefault(name, Graph(name))
        graph.outputs += add_case(graph, Case(op, number), prefix=f"e{number}_")[1]
    return {name: Program(graph) for name, graph in graphs.items()}


@pytest.mark.skipif(not shutil.which("clang"), reason="needs clang")
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_nothing_is_left_over(op: OpDef, tmp_path: Path):
    for name, program in programs(op).items():
        for file, text in files(describe(program, HOST, TOOLBOX)).items():
            (tmp_path / file).write_text(text)
        Compiler(("clang",)).run(*LANGUAGE, *WARNINGS, "-fsyntax-only", f"{name}.c", folder=tmp_path)
