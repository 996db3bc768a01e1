"""Schemes on int8 networks: channels that are put in another order, and weights of which a part learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Part, Region, Role, Source, State, written_states
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.serialize import from_bytes, to_bytes
from gradlet.ir.user_states import from_user, to_user
from gradlet.ir.verifier import verify
from gradlet.optimizers.channel_order import channels_of
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.layers import find_layers
from gradlet.tests.int8_models import Int8Builder, int8_batches, residual_stage
from gradlet.tests.small_models import TOOLS, apply

HALF = "full{ratio=0.5}"
# Three layers that share channels choose so that the weight of one has to be divided.
RANDOM = "full{ratio=0.4,criterion=random,seed=2}"
NEAREST = "sgd{rounding=nearest}"


def _net(*, rounding: str = "float", float_head: bool = False) -> Graph:
    return _with_sources(residual_stage(rounding=rounding, float_head=float_head))


def _with_sources(graph: Graph) -> Graph:
    for state in graph.states:
        shape = state.init.shape
        state.source = Source(state.name, shape, shape, tuple(range(len(shape))))
    return graph


def _sparse(graph: Graph, scheme: str = RANDOM, then: str = "") -> Graph:
    return apply(clone(graph), f"sparse_update{{scheme={scheme}}}{then}")


def _run(graph: Graph, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
    return list(Executor(graph, TOOLS.ops).run(batch).values())


def _user(graph: Graph, states: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    return to_user(graph, states or {s.name: s.init for s in graph.states})


def _learning(graph: Graph) -> dict[str, np.ndarray]:
    """Marks of what learns, in the user's layout."""
    return {name: marks != 0 for name, marks in _user(graph, {s.name: _marks(s) for s in graph.states}).items()}


def _marks(state: State) -> np.ndarray:
    marks = np.zeros_like(state.init)
    marks[state.region.index(marks.ndim) if state.region else ...] = state.trainable
    return marks


# ------------------------------------------------------------------ layers


def test_constants_of_quantised_ops_are_no_biases():
    layers, head = find_layers(_net(rounding="double_rounding"))
    assert [layer.name for layer in layers][:4] == [
        "first",
        *(f"blocks.0.{k}" for k in ("expand", "depthwise", "project")),
    ]
    assert head and head.name == "head"
    assert all([b.name for b in layer.biases] == [f"{layer.name}.bias"] for layer in [*layers, head])


def test_only_what_is_named_learns():
    graph = _sparse(_net(float_head=True), "last_2{ratio=0.5}")
    assert {s.name for s in graph.states if s.trainable} == {
        *(f"blocks.2.{layer}.{kind}" for layer in ("depthwise", "project") for kind in ("weight", "bias")),
        "head.weight",
        "head.bias",
    }


# ------------------------------------------------------------------ channel order


@pytest.mark.parametrize("rounding", ["float", "double_rounding", "single_rounding"])
def test_no_bit_of_the_outputs_changes(rounding):
    graph = _net(rounding=rounding)
    batch = next(int8_batches(graph))
    for then in ("", ",split_weights", ",split_weights{max_parts=9}"):
        other = _sparse(graph, then=then)
        moved = [s for s in other.states if s.source and s.source.orders]
        assert {s.role for s in moved} == {Role.PARAMETER, Role.BUFFER}
        assert np.array_equal(_run(graph, batch), _run(other, batch))


def test_states_are_read_back_in_the_order_of_the_user():
    graph = _net(rounding="single_rounding")
    for then in ("", ",split_weights", ",split_weights{max_parts=9}"):
        other = _sparse(graph, then=then)
        found = _user(other)
        assert found.keys() == {s.name for s in graph.states}
        assert all(np.array_equal(found[s.name], s.init) for s in graph.states)


@pytest.mark.parametrize("then", ["", ",split_weights"])
def test_scales_of_channels_go_with_them(then):
    """Also those of a depthwise weight, which is divided along the axis that they belong to."""
    graph = _net()
    before = {s.name: _scales(s) for s in graph.states if s.value.type.quant}
    other = _sparse(graph, then=then)
    scales = {s.name: _scales(s) for s in other.states if s.value.type.quant}
    found = to_user(other, scales | {s.name: s.init for s in other.states if not s.value.type.quant})
    assert all(np.array_equal(found[name], array) for name, array in before.items())


def _scales(state: State) -> np.ndarray:
    """The scale of every element."""
    quant = state.value.type.quant
    assert quant and quant.axis is not None
    shape = [-1 if a == quant.axis else 1 for a in range(state.init.ndim)]
    return np.broadcast_to(np.array(quant.scale).reshape(shape), state.init.shape)


def test_the_largest_channels_learn_of_every_layer():
    """Defect 5 of the published compiler: it trains the first channels, whichever were chosen."""
    graph = _net()
    layers, _ = find_layers(graph)
    found = _learning(_sparse(graph, HALF))
    for layer in layers[1:]:
        axis = layer.axes.inp
        others = tuple(a for a in range(layer.weight.init.ndim) if a != axis)
        norms = np.square(layer.weight.init.astype(np.float64)).sum(axis=others)
        chosen = found[layer.weight.name]
        assert chosen.all(axis=others).sum() == chosen.any(axis=others).sum() == len(norms) // 2
        assert norms[chosen.all(axis=others)].min() >= norms[~chosen.all(axis=others)].max()


@pytest.mark.parametrize("groups", [1, 2])
def test_groups_keep_their_order(groups):
    b = Int8Builder("grouped", 1, 4, 4, 4)
    x = b.conv(b.x, 6)
    weight, bias, scale = (s.value for s in b.graph.states)
    shape = (6, 1, 1, 6 // groups)
    weight = b.graph.add_state("w", np.ones(shape, np.int8), weight.type.with_shape(*shape))
    bias, scale = (b.graph.add_state(f"{v.name}2", np.zeros(6, v.type.dtype.numpy), v.type) for v in (bias, scale))
    attrs = {"strides": (1, 1), "padding": (0, 0, 0, 0), "groups": groups, "x_zero": x.type.quant.zero_point[0]}
    y = b.emit("qconv2d", x, weight, bias, scale, **attrs, y_scale=1.0, y_zero=0)
    assert (channels_of(b.done(y), x) is None) == (groups == 2)


# ------------------------------------------------------------------ parts


def test_a_choice_that_cannot_be_one_run_is_two_states():
    graph = _sparse(_net())
    parts = [s for s in graph.states if s.source.part]
    assert [s.name for s in parts] == ["blocks.1.expand.weight", "blocks.1.expand.weight_1"]
    assert sum(s.learning for s in parts) == 14 * 4
    assert _learning(graph)["blocks.1.expand.weight"].any(axis=(0, 1, 2)).sum() == 4


@pytest.mark.parametrize(("chosen", "learning"), [((0, 1, 2, 9, 10, 11), [3, 3]), (range(0, 12, 2), [6])])
def test_channels_of_the_input_stay_where_they_are(chosen, learning):
    """Few runs of them learn in states of their own; of many the best neighbours do, and a note says so."""
    b = Int8Builder("net", 1, 4, 4, 12)
    b.emit.loc = "first"
    x = b.conv(b.x, 4)
    b.emit.loc = "head"
    graph, notes = b.done(b.dense(b.pool(x), 3)), list[str]()
    graph.states[0].init[..., list(chosen)] = 127
    apply(graph, "sparse_update{scheme=last_1{ratio=0.5}}", Context(TOOLS, notes=notes))
    parts = [s.learning // 4 for s in graph.states if s.name.startswith("first.weight")]
    assert parts == learning
    assert len(notes) == (len(learning) == 1)
    assert all("3 of the 6 that were asked for: they cannot all be neighbours" in note for note in notes)


@pytest.mark.parametrize(("max_parts", "pieces"), [(1, 0), (2, 1), (3, 2)])
def test_a_weight_becomes_parts_of_which_one_learns(max_parts, pieces):
    graph = _sparse(_net(), "last_1{ratio=0.5}", f",split_weights{{max_parts={max_parts}}}")
    parts = [s for s in graph.states if s.name.startswith("blocks.2.project.weight")]
    assert [s.name for s in parts if s.trainable] == ["blocks.2.project.weight"]
    assert len([s for s in parts if not s.trainable]) == min(pieces, 1)
    assert sum(s.learning for s in parts) == 8 * 6
    (learning,) = [s for s in parts if s.trainable]
    assert (learning.region is None) == (max_parts > 1)
    assert learning.value.type.quant == parts[-1].value.type.quant


def test_channels_in_the_middle_leave_two_frozen_parts():
    graph = clone(_net())
    _mark_middle(graph)
    apply(graph, "split_weights{max_parts=3}")
    parts = {s.name: s.init.shape[3] for s in graph.states if s.name.startswith("blocks.0.project.weight")}
    assert list(parts.values()) == [2, 5, 7]
    assert list(parts) == [f"blocks.0.project.weight{end}" for end in ("_frozen", "", "_frozen_1")]


def test_of_too_many_parts_the_larger_is_cut_off():
    graph = clone(_net())
    _mark_middle(graph)
    apply(graph, "split_weights{max_parts=2}")
    first, last = (s for s in graph.states if s.name.startswith("blocks.0.project.weight"))
    assert (first.init.shape[3], last.init.shape[3]) == (7, 7)
    assert first.region and (first.region.begin, first.region.end) == (2, 7)


def _mark_middle(graph: Graph) -> None:
    state = next(s for s in graph.states if s.name == "blocks.0.project.weight")
    state.region = Region(3, 2, 7)


def test_float_weights_stay_whole():
    graph = _sparse(_net(float_head=True), "full{ratio=0.5}", ",split_weights")
    assert not [s.name for s in graph.states if s.name.startswith("head.") and s.source.part]


def test_frozen_parts_are_not_written():
    program = _compiled(_net(float_head=True), HALF, split_weights={"max_parts": "9"})
    written = {v.name for v in written_states(program.graph)}
    frozen = {s.name for s in program.graph.states if "weight_frozen" in s.name}
    assert frozen
    assert not frozen & written
    assert not any({"begin", "axis"} & n.attrs.keys() for n in program.graph.nodes if n.op == "quantized_sgd")


def test_only_the_channels_that_learn_are_kept():
    """Of the input of the last layer; behind the forward pass the rest of it is not read."""
    program = _compiled(_net(float_head=True), "last_1{ratio=0.25}")
    (gradient,) = [n for n in program.graph.nodes if n.op == "qconv2d_weight_grad"]
    kept = gradient.inputs[0]
    assert kept.type.shape == (1, 6, 6, 3)
    assert kept.producer and kept.producer.op == "slice" and kept.producer.phase.value == "forward"
    assert gradient.outputs[0].users[0].op == "quantized_sgd"


def _compiled(graph: Graph, scheme: str, skip: tuple[str, ...] = (), **options: dict[str, Any]) -> Program:
    chosen = {"sparse_update": {"scheme": scheme}, "quantize_gradients": {"dtype": "int8"}, **options}
    chosen["differentiate"] = {"update": NEAREST}
    program = optimize(Program(clone(graph)), Context(TOOLS), "train", options=chosen, skip=skip)
    for g in program.graphs:
        verify(g, TOOLS.ops)
    return program


def _trained(program: Program, steps: int = 3) -> tuple[list[bytes], dict[str, np.ndarray]]:
    session = ReferenceSession(program, TOOLS, in_arena=True)
    batches = list(int8_batches(program.graph, steps, lr=0.02))
    outputs = [array.tobytes() for batch in batches for array in session.train_step(batch).values()]
    outputs += [array.tobytes() for array in session.infer({"x": batches[0]["x"]}).values()]
    return outputs, session.states()


@pytest.mark.parametrize("scheme", [HALF, RANDOM])
def test_a_step_does_not_depend_on_how_weights_are_divided(scheme):
    graph = _net(float_head=True)
    whole = _compiled(graph, scheme, skip=("split_weights",))
    outputs, states = _trained(whole)
    expected = to_user(whole.graph, states)
    assert sum(int((expected[s.name] != s.init).sum()) for s in graph.states if s.init.dtype == np.int8) > 20
    for max_parts in ("2", "3", "9"):
        program = _compiled(graph, scheme, split_weights={"max_parts": max_parts})
        got, states = _trained(program)
        assert got == outputs
        found = to_user(program.graph, states)
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


@pytest.mark.parametrize("scheme", ["last_4{ratio=0.5}", "last_7{ratio=0.4,criterion=random}"])
def test_the_chosen_channels_learn_what_they_learn_among_all(scheme):
    """One step with integer gradients, bit by bit, against training of the whole weights in their own order."""
    graph = _net(float_head=True)
    whole, part = _compiled(graph, scheme.partition("{")[0]), _compiled(graph, scheme)
    learning = _learning(_sparse(graph, scheme))
    (_, all_states), (_, states) = _trained(whole, 1), _trained(part, 1)
    expected, found = to_user(whole.graph, all_states), to_user(part.graph, states)
    moved = 0
    for state in graph.states:
        name, marks = state.name, learning[state.name]
        assert np.array_equal(found[name], np.where(marks, expected[name], state.init)), name
        moved += int((found[name] != state.init).sum())
    assert moved > 50


# ------------------------------------------------------------------ states of the user


def test_states_round_trip_through_a_session_and_a_file(tmp_path):
    program = _compiled(_net(float_head=True), HALF)
    session = ReferenceSession(program, TOOLS)
    for batch in int8_batches(program.graph, 3, lr=0.02):
        session.train_step(batch)
    learnt = to_user(program.graph, session.states())
    files.save(program, tmp_path / "net.gradlet", TOOLS.ops)
    loaded = files.load(tmp_path / "net.gradlet", TOOLS.ops)
    assert [s.source for s in loaded.graph.states] == [s.source for s in program.graph.states]
    fresh = ReferenceSession(loaded, TOOLS)
    changeable = {s.source.name for s in loaded.graph.states if s.source and s.value in written_states(loaded.graph)}
    fresh.set_states(from_user(loaded.graph, {name: learnt[name] for name in changeable}))
    again = to_user(loaded.graph, fresh.states())
    assert all(np.array_equal(again[name], array) for name, array in learnt.items())
    batch = next(int8_batches(program.graph))
    assert np.array_equal(*(next(iter(s.infer({"x": batch["x"]}).values())) for s in (session, fresh)))


@pytest.mark.parametrize("part", [Part(3, 0, 7, 12), Part(3, 7, 13, 12), Part(4, 0, 6, 12)])
def test_a_part_that_does_not_fit_its_state_is_no_program(part):
    program = _compiled(_net(float_head=True), "last_1{ratio=0.5}")
    state = next(s for s in program.graph.states if s.name == "blocks.2.project.weight")
    state.source = replace(state.source, part=part)
    with pytest.raises(CompileError) as info:
        from_bytes(to_bytes(program, TOOLS.ops), TOOLS.ops)
    assert info.value.code == "GL003"


def test_another_content_of_a_frozen_part_is_refused():
    graph = _net(float_head=True)
    program = _compiled(graph, "last_1{ratio=0.5}")
    weight = next(s for s in graph.states if s.name == "blocks.2.project.weight").init + np.int8(1)
    with pytest.raises(CompileError, match="differs from the model in channels 6 to 11, which do not learn") as info:
        from_user(program.graph, {"blocks.2.project.weight": weight})
    assert info.value.code == "GL301"


def test_a_tensor_is_whole_where_a_session_leaves_out_what_does_not_change():
    program = _compiled(_net(float_head=True), "last_1{ratio=0.5}")
    session = ReferenceSession(program, TOOLS)
    changing = {v.name for v in written_states(program.graph)}
    some = to_user(program.graph, {name: a for name, a in session.states().items() if name in changing})
    assert np.array_equal(
        some["blocks.2.project.weight"], to_user(program.graph, session.states())["blocks.2.project.weight"]
    )


# ------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    "pipeline",
    ["differentiate,split_weights", f"sparse_update{{scheme={HALF}}},split_weights,sparse_update{{scheme={HALF}}}"],
)
def test_passes_at_the_wrong_place(pipeline):
    with pytest.raises(CompileError) as info:
        apply(_net(float_head=True), pipeline)
    assert info.value.code == "GL214"
