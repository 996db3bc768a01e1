"""The header says how pixels are normalised and what classes are called, and nothing in there is code."""

import re

import pytest

from gradlet.backends.tinyengine import facts
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS, mlp
from gradlet.tools.api import Options, compile_program


def header(**metadata: str) -> str:
    graph = mlp(4, 8, 3)
    graph.outputs[0].name = "logits"
    told = {f"input.{graph.inputs[0].name}.{key}": text for key, text in metadata.items() if key != "labels"}
    told |= {f"output.{graph.outputs[0].name}.{key}": text for key, text in metadata.items() if key == "labels"}
    made = compile_program(Program(graph, metadata=told), Options(target="cortex_m_generic"), TOOLS).artifact
    return made.files[f"{graph.name}.h"].decode()


def test_what_is_known_is_told():
    text = header(mean="127.5", std="60,61,62", labels="cat\nsmall dog\nno animal")
    assert "// Of pixels p from 0 to 255: (p - mean) / std, mean 127.5, std 60,61,62.\n" in text
    assert "// Classes: cat, small dog, no animal.\n" in text


def test_what_is_not_known_is_left_out():
    assert "Classes" not in header() and "pixels" not in header(mean="1")


def test_many_classes_are_cut():
    labels = "\n".join(f"class number {k}" for k in range(1000))
    lines = facts.of_output({"output.y.labels": labels}, "y")
    assert lines[-1].endswith("class number 19, and 980 more.") and max(map(len, lines)) <= 96


@pytest.mark.parametrize("label", ["*/ int x; /*", "a\\", "??/", "a\rint x;", "\u202eint x;", "x" * 10_000])
def test_a_hostile_label_stays_a_comment(label):
    text = header(mean="1", std="1", labels=f"cat\n{label}\ndog\\")
    lines = [line for line in text.splitlines() if "int x" in line or "xxx" in line or "dog" in line]
    assert lines and all(line.startswith("// ") and not line.endswith("\\") and len(line) < 100 for line in lines)
    assert not re.search(r"\?\?|\r|\u202e", text)
