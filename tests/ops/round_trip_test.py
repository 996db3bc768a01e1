"""Every op survives the printed form and the interchange format."""

import pytest

from gradlet.ir.parser import parse_graph
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.ir.serialize import from_bytes, to_bytes, to_text
from gradlet.tests.ops.cases import CASES, TOOLBOX, Case, graph_of


@pytest.mark.parametrize("case", CASES, ids=str)
def test_text_reads_back(case: Case):
    text = print_graph(graph_of(case))
    again = parse_graph(text)
    assert print_graph(again) == text
    assert dict(again.nodes[0].attrs) == dict(case.example.attrs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_messages_read_back(case: Case):
    program = Program(graph_of(case))
    for data in (to_bytes(program, TOOLBOX.ops), to_text(program, TOOLBOX.ops)):
        again = from_bytes(data, TOOLBOX.ops).graph
        assert print_graph(again) == print_graph(program.graph)
        assert dict(again.nodes[0].attrs) == dict(case.example.attrs)
