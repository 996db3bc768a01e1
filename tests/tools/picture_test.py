"""Every buffer of the plan is in the picture, where the plan has it."""

import xml.etree.ElementTree as ElementTree

import pytest

from gradlet.ir import files
from gradlet.ir.plugin import load
from gradlet.tools.api import Options, compile_program
from gradlet.tools.compile import EXAMPLE
from gradlet.tools.picture import HEIGHT, MARGIN, arena_picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def graph():
    tools = load(installed=False)
    options = Options(target="x86_64", backend="reference")
    return compile_program(files.load(EXAMPLE, tools.ops), options, tools).program.graph


def test_every_slot_is_a_rectangle_of_its_height(graph):
    groups = ElementTree.fromstring(arena_picture(graph)).findall(f"{SVG}g")
    slots = [s for s in graph.plan.slots if s.size]
    assert len(groups) == len(slots)
    for group, slot in zip(groups, slots, strict=True):
        rectangle = group.find(f"{SVG}rect")
        bottom = float(rectangle.get("y")) + float(rectangle.get("height"))
        assert bottom == pytest.approx(MARGIN + HEIGHT * (1 - slot.offset / graph.plan.arena_bytes), abs=0.2)
        assert f"{slot.size:,} bytes at {slot.offset:,}" in group.find(f"{SVG}title").text
