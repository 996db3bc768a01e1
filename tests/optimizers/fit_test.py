"""A program that is too large: by how much, why, and the scheme that would fit; which then does."""

from dataclasses import replace

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.target import Memory, Target
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.fit import learning, need_of
from gradlet.optimizers.memory_report import alive_at_peak, peak_step, print_alive, print_plan
from gradlet.tests.small_models import TOOLS, compiled, conv_net, mlp

TINY = Target("tiny", "a device for tests", "cortex-m4", sram=Memory(0x20000000, 1 << 20), stack_bytes=256)


def _need(graph, scheme: str = "full") -> int:
    return need_of(compiled(graph, sparse_update={"scheme": scheme}), TINY).total


def _error(graph, room: int, pipeline: str = "train", **options) -> CompileError:
    target = replace(TINY, sram=Memory(0x20000000, room))
    with pytest.raises(CompileError) as info:
        optimize(Program(graph), Context(TOOLS, target), pipeline, options=options)
    assert info.value.code == "GL230"
    return info.value


def test_exactly_enough_fits():
    graph = mlp(16, 16, 16, 4)
    room = _need(graph)
    optimize(Program(mlp(16, 16, 16, 4)), Context(TOOLS, replace(TINY, sram=Memory(0, room))), "train")
    assert f"needs 1 bytes more SRAM than the {room - 1:,} of tiny" in _error(graph, room - 1).what


@pytest.mark.parametrize("graph", [mlp(16, 16, 16, 4), conv_net(4)], ids=["mlp", "conv_net"])
def test_the_scheme_that_is_named_fits_and_no_better_preset_does(graph):
    least, most = _need(graph, "head_only"), _need(graph)
    room = (least + most) // 2
    error = _error(clone(graph), room)
    named = error.hint.removeprefix("scheme ").split(" would fit")[0]
    program = compiled(graph, sparse_update={"scheme": named})
    assert need_of(program, TINY).total <= room
    for other in ("last_1", "last_2", "last_3", "bias_last_1", "bias_last_2", "bias_only"):
        rival = compiled(graph, sparse_update={"scheme": other})
        if need_of(rival, TINY).total <= room:
            assert learning(rival.graph) <= learning(program.graph)


def test_the_message_adds_up():
    graph = mlp(16, 16, 16, 4)
    room = _need(graph) - 100
    error = _error(graph, room)
    total, arena, state, stack = _numbers(error.what)
    assert total == arena + state + stack == room + 100
    assert "alive when the arena is fullest:" in error.hint


def _numbers(text: str) -> tuple[int, ...]:
    words = [w.strip(",:") for w in text.split(": ", 1)[1].replace(": ", " ").split()]
    return tuple(int(w.replace(",", "")) for w in words if w[0].isdigit())


def test_when_nothing_fits():
    assert "not even scheme head_only fits" in _error(mlp(16, 16, 4), 400).hint


def test_an_inference_that_does_not_fit():
    assert "the inference alone does not fit" in _error(mlp(16, 16, 4), 400, "inference").hint


def test_a_pipeline_without_schemes():
    assert "let less learn" in _error(mlp(16, 16, 4), 400, "differentiate,place_buffers").hint


def test_devices_without_a_limit():
    optimize(Program(mlp(16, 16, 4)), Context(TOOLS, replace(TINY, sram=None)), "train")


def test_numbers_that_learn_are_counted():
    program = compiled(mlp(6, 16, 16, 3), sparse_update={"scheme": "last_1{ratio=0.25}"})
    assert learning(program.graph) == 16 * 4 + 16 + 3 * 16 + 3


def test_the_table_explains_every_byte_of_the_peak():
    program = compiled(conv_net())
    graph, plan = program.graph, program.graph.plan
    rows = alive_at_peak(graph, plan)
    assert sum(r.bytes for r in rows) >= plan.lower_bound - 4 * len(rows)
    assert [r.bytes for r in rows] == sorted((r.bytes for r in rows), reverse=True)
    whys = {r.name: r.why for r in rows}
    assert whys["%lr"].startswith("kept for sgd")
    assert whys["%x"] == "kept for conv2d_weight_grad (backward of first)"
    assert whys[f"%{graph.outputs[1].name}"] == "output"
    at = graph.nodes[peak_step(plan)]
    assert any(v.name == r.name[1:] for v in at.outputs for r in rows)


def test_tables_print():
    program = compiled(conv_net())
    rows = alive_at_peak(program.graph, program.graph.plan)
    lines = print_alive(rows, limit=3).splitlines()
    assert lines[0].split() == ["bytes", "value", "place", "why"]
    assert len(lines) == 5
    assert f"and {len(rows) - 3} more" in lines[-1]
    plan = print_plan(program.graph.plan).splitlines()
    assert plan[0].startswith(f"arena {program.graph.plan.arena_bytes} bytes, lower bound ")
    assert len(plan) == 1 + len(program.graph.plan.slots)
