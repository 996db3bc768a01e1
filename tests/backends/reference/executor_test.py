"""The executor computes what the ops mean, in the arena as in arrays of their own, and notices what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.backends.reference.memory import pack, unpack
from gradlet.ir.tensor_type import b1, f32
from gradlet.tests.small_models import TOOLS, Builder, batches, compiled, conv_net, mlp


def _run(program, **options):
    executor = Executor(program.graph, TOOLS.ops, **options)
    outputs = [executor.run(batch) for batch in batches(program.graph)]
    return outputs, executor.states


@pytest.mark.parametrize("graph", [mlp(6, 8, 3), conv_net()], ids=["mlp", "conv_net"])
@pytest.mark.parametrize("pipeline", ["train", "train_plain"])
def test_the_arena_holds_what_arrays_hold(graph, pipeline):
    program = compiled(graph, pipeline)
    apart, in_arena = _run(program), _run(program, in_arena=True)
    np.testing.assert_equal(in_arena, apart)


def test_an_overwritten_value_changes_numbers():
    """A plan that lets a value die too early is no accident that goes unseen."""
    program = compiled(conv_net())
    graph, plan = program.graph, program.graph.plan
    kept = next(s for s in plan.slots if str(s.values[0]) == "%0")
    others = [s for s in plan.slots if s.lives_with(kept) and s is not kept and s.size >= 512 and s.first > kept.first]
    moved = replace(others[0], offset=kept.offset)
    right, _ = _run(program, in_arena=True)
    graph.plan = replace(plan, slots=tuple(moved if s is others[0] else s for s in plan.slots))
    wrong, _ = _run(program, in_arena=True)
    assert any(not np.array_equal(a["loss"], b["loss"]) for a, b in zip(right, wrong, strict=True))


def test_reading_what_was_never_written_gives_no_number():
    graph = mlp(6, 8, 3)
    program = compiled(graph, "forward,place_buffers")
    graph = program.graph
    offsets = {slot.values[0]: slot for slot in graph.plan.slots}
    first = graph.nodes[0].outputs[0]
    elsewhere = [s for s in graph.plan.slots if s is not offsets[first]]
    graph.nodes.remove(graph.nodes[0])
    graph.plan = replace(graph.plan, slots=(*elsewhere, offsets[first]))
    outputs = Executor(graph, TOOLS.ops, in_arena=True).run(next(batches(graph)))
    assert np.isnan(next(iter(outputs.values()))).all()


def test_an_in_place_result_replaces_the_state_for_every_reader():
    program = compiled(mlp(6, 8, 3))
    executor = Executor(program.graph, TOOLS.ops)
    before = executor.states["layers.1.weight"].copy()
    executor.run(next(batches(program.graph)))
    assert not np.array_equal(executor.states["layers.1.weight"], before)
    assert np.array_equal(program.graph.states[2].init, before), "the program itself is left alone"


def test_double_precision_is_close_and_finer():
    program = compiled(conv_net())
    (single, _), (double, states) = _run(program), _run(program, float64=True)
    assert all(a.dtype == np.float64 for name, a in states.items())
    for a, b in zip(single, double, strict=True):
        assert a["loss"] != b["loss"]
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)


def test_a_result_of_another_shape_is_a_bug():
    graph = Builder("wrong", 2, 3)
    y = graph.emit("relu", graph.x)
    y.type = f32(3, 2)
    with pytest.raises(AssertionError, match=r"\(2, 3\) is not the shape of f32\[3,2\]"):
        Executor(graph.done(y), TOOLS.ops).run({"x": np.zeros((2, 3), np.float32)})


def test_sums_do_not_depend_on_the_layout_of_an_operand():
    graph = Builder("layout", 8, 5, 7)
    turned = graph.emit("transpose", graph.x, axes=(2, 1, 0))
    total = graph.emit("sum", turned, axis=(0, 1, 2))
    program = compiled(graph.done(total), "place_buffers")
    apart, in_arena = _run(program), _run(program, in_arena=True)
    np.testing.assert_equal(in_arena, apart)


def test_masks_are_packed_first_element_lowest():
    mask = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1, 1], bool)
    assert pack(mask).tolist() == [1, 3]
    assert np.array_equal(unpack(pack(mask), b1(10)), mask)


def test_working_memory_is_spoilt_while_its_node_runs():
    program = compiled(mlp(6, 8, 3), "forward,place_buffers")
    graph = program.graph
    scratch = [s for s in graph.plan.slots if s.values and s.values[0] is graph.inputs[0]]
    junk = replace(scratch[0], values=(), first=0, last=0)
    graph.plan = replace(graph.plan, slots=(*graph.plan.slots, junk))
    outputs = Executor(graph, TOOLS.ops, in_arena=True).run(next(batches(graph)))
    assert np.isnan(next(iter(outputs.values()))).all()
