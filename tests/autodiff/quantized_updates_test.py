"""Update rules of quantised parameters: what they emit, quantisation-aware scaling by hand, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Region, Role
from gradlet.ir.options import make, parse_calls
from gradlet.ir.passes import Context
from gradlet.optimizers.clone import clone
from gradlet.tests.int8_autograd import logits_and_gradients
from gradlet.tests.int8_models import Int8Builder, int8_batches, inverted_residuals
from gradlet.tests.small_models import TOOLS, apply, compiled, linear

NET = inverted_residuals(dead=1)
BATCH = next(int8_batches(compiled(NET).graph, 1))


def step_of(update: str = "sgd", graph: Graph = NET) -> Graph:
    return apply(clone(graph), f"differentiate{{update={update}}}")


def updates(graph: Graph, op: str) -> dict[str, Node]:
    return {n.inputs[0].name: n for n in graph.nodes if n.op == op}


def trained(update: str, steps: int = 1, lr: float = 0.05, graph: Graph = NET) -> dict[str, np.ndarray]:
    """The states after steps with float gradients, all on one batch."""
    program = compiled(graph, differentiate={"update": update}, quantize_gradients={"dtype": "float32"})
    session = ReferenceSession(program, TOOLS)
    for _ in range(steps):
        session.train_step({**BATCH, "lr": np.asarray(lr, np.float32)})
    return session.states()


def initial(name: str) -> np.ndarray:
    return next(s.init for s in NET.states if s.name == name)


def error_of(update: str, graph: Graph = NET) -> CompileError:
    with pytest.raises(CompileError) as caught:
        step_of(update, graph)
    return caught.value


# ------------------------------------------------------------------ in place


def test_integers_learn_in_place_and_the_head_in_floats():
    graph = step_of()
    assert set(updates(graph, "quantized_sgd")) == {s.name for s in NET.states if s.trainable and s.value.type.quant}
    assert set(updates(graph, "sgd")) == {"head.weight", "head.bias"}
    assert not any(s.role in (Role.MOMENT, Role.ACCUMULATOR) for s in graph.states)


def test_all_weights_draw_by_one_counter_that_counts_once_at_the_end():
    graph = step_of()
    counters = [s.value for s in graph.states if s.role is Role.COUNTER]
    assert len(counters) == 1
    readers = counters[0].users
    assert [n.op for n in readers].count("count") == 1
    assert graph.nodes.index(next(n for n in readers if n.op == "count")) > max(
        graph.nodes.index(n) for n in readers if n.op == "quantized_sgd"
    )
    weights = {name for name in updates(graph, "quantized_sgd") if name.endswith(".weight")}
    assert {n.inputs[0].name for n in readers if n.op == "quantized_sgd"} == weights


def test_every_weight_has_a_seed_of_its_own():
    def seeds(update: str) -> list[int]:
        found = updates(step_of(update), "quantized_sgd").items()
        return [n.attrs.get("seed", 0) for name, n in found if name.endswith(".weight")]

    assert len(set(seeds("sgd"))) == len(seeds("sgd"))
    assert seeds("sgd") == seeds("sgd{seed=0}")
    assert not set(seeds("sgd{seed=1}")) & set(seeds("sgd"))


def test_nearest_rounding_needs_no_counter():
    graph = step_of("sgd{rounding=nearest,bound=0.25}")
    assert not any(s.role is Role.COUNTER for s in graph.states)
    node = updates(graph, "quantized_sgd")["first.weight"]
    assert (node.attrs["rounding"], node.attrs["bound"]) == ("nearest", 0.25)


# ------------------------------------------------------------------ quantisation-aware scaling


def factor(graph: Graph, name: str) -> np.ndarray:
    node = updates(graph, "quantized_sgd")[name]
    return next(s.init for s in graph.states if s.value is node.inputs[3])


def test_factors_are_one_over_the_square_of_the_scale():
    graph = step_of()
    for state in NET.states:
        if state.trainable and state.value.type.quant:
            scale = np.array(state.value.type.quant.scale)
            assert scale[0] == 0, "a dead channel"
            found = factor(graph, state.name)
            assert found[0] == 0, "which does not learn"
            np.testing.assert_array_equal(found[1:], (1 / scale[1:] ** 2).astype(np.float32))


def test_a_scale_whose_square_is_no_float_marks_a_constant_channel():
    b = Int8Builder("tiny", 1, 4, 4, 3)
    b.emit.loc = "conv"
    x = b.pool(b.conv(b.x, 2))
    b.emit.loc = "head"
    graph = b.done(b.head(x, 3))
    weight = graph.states[0].value
    weight.type = replace(weight.type, quant=replace(weight.type.quant, scale=(1e-25, 0.5)))
    np.testing.assert_array_equal(factor(step_of("sgd", graph), "conv.weight"), [0, 4])


def test_equal_factors_are_one_state():
    graph = step_of("sgd{qas=false}")
    shared = {n.inputs[3].name for n in updates(graph, "quantized_sgd").values()}
    assert len(shared) == len({len(factor(graph, name)) for name in updates(graph, "quantized_sgd")})
    np.testing.assert_array_equal(factor(graph, "first.weight"), 1)


@pytest.mark.parametrize(("name", "axis"), [("blocks.1.depthwise.weight", 2), ("blocks.1.project.weight", 3)])
def test_a_part_takes_the_factors_of_its_channels(name, axis):
    """Of a depthwise weight, whose input channels are its output channels, only those of the part."""
    graph = clone(NET)
    state = next(s for s in graph.states if s.name == name)
    state.region = Region(axis, 3, 7)
    whole, part = factor(step_of(), name), factor(step_of("sgd", graph), name)
    np.testing.assert_array_equal(part, whole[3:7] if axis == 2 else whole)


def test_a_step_by_hand():
    """w - lr * dw / scale² in 256ths, rounded to the nearest; an int32 bias to the nearest at once."""
    lr, moved = 0.05, 0
    after = trained("sgd{rounding=nearest}", lr=lr)
    gradients = logits_and_gradients(NET, BATCH["x"], BATCH["label"])[2]
    for state in NET.states:
        if not (state.trainable and state.value.type.quant):
            continue
        quant, is_weight = state.value.type.quant, state.init.dtype == np.int8
        scale = np.array(quant.scale).reshape([-1 if a == quant.axis else 1 for a in range(state.init.ndim)])
        step = np.where(scale > 0, lr * gradients[state.name] / np.where(scale > 0, scale, 1) ** 2, 0)
        steps = step * (256 if is_weight else 1)
        clear = np.abs(np.abs(steps - np.trunc(steps)) - 0.5) > 0.003  # the gradient is in single precision
        assert clear.mean() > 0.8
        expected = state.init - np.rint(steps)
        if is_weight:
            expected = np.clip(np.floor(state.init - np.rint(steps) / 256 + 0.5), -127, 127)
        np.testing.assert_array_equal(after[state.name][clear], expected[clear], err_msg=state.name)
        moved += int((after[state.name] != state.init).sum())
    assert moved > 50


def test_without_scaling_not_one_weight_moves():
    after = trained("sgd{qas=false,rounding=nearest}", steps=5)
    for state in NET.states:
        if state.trainable and state.value.type.quant:
            np.testing.assert_array_equal(after[state.name], state.init)


def test_a_bound_holds():
    def largest(update: str) -> int:
        after = trained(update, lr=1.0)
        weights = [s for s in NET.states if s.trainable and s.init.dtype == np.int8]
        return max(int(np.abs(after[s.name].astype(int) - s.init).max()) for s in weights)

    assert largest("sgd{rounding=nearest}") > 3
    assert largest("sgd{rounding=nearest,bound=2}") == 2
    assert largest("sgd{bound=0.5}") == 1


def test_weight_decay_shrinks():
    def norm(update: str) -> float:
        return float(np.abs(trained(update)["blocks.1.project.weight"].astype(float)).sum())

    assert norm("sgd{weight_decay=1}") < 0.97 * norm("sgd")


# ------------------------------------------------------------------ accumulation, masters, momentum


def test_accumulated_gradients_move_the_weights_together():
    """Twice the same batch is one step: nothing moves in between."""
    once, twice, half = trained("sgd{rounding=nearest}"), *(trained("sgd{rounding=nearest,every=2}", n) for n in (2, 1))
    for state in NET.states:
        if state.trainable:
            np.testing.assert_array_equal(twice[state.name], once[state.name], err_msg=state.name)
            np.testing.assert_array_equal(half[state.name], state.init)


def test_counters_go_on_after_all_that_reads_them():
    graph = step_of("sgd{every=2}")
    ticks = [n for n in graph.nodes if n.op == "count"]
    assert len(ticks) == 2
    for tick in ticks:
        readers = [n for n in tick.inputs[0].users if n is not tick]
        assert max(map(graph.nodes.index, readers)) < graph.nodes.index(tick)


@pytest.mark.parametrize("update", ["sgd{weights=float}", "momentum", "momentum{weight_decay=0.1}"])
def test_integers_are_the_nearest_to_their_master(update):
    after = trained(update, steps=3)
    for state in NET.states:
        if state.trainable and state.value.type.quant:
            limit = 127 if state.init.dtype == np.int8 else 2147483520
            master = after[f"{state.name}.master"]
            np.testing.assert_array_equal(after[state.name], np.rint(np.clip(master, -limit, limit)))
    assert any((after[s.name] != s.init).any() for s in NET.states if s.init.dtype == np.int8)


def test_a_master_of_a_part_has_its_size():
    graph = clone(NET)
    state = next(s for s in graph.states if s.name == "blocks.1.project.weight")
    state.region = Region(3, 2, 5)
    master = next(s for s in step_of("momentum", graph).states if s.name == f"{state.name}.master")
    np.testing.assert_array_equal(master.init, state.init[..., 2:5])


def test_momentum_goes_on():
    """The second step of one gradient is longer by the share of the velocity that is kept."""
    name = "head.weight", "blocks.2.project.weight.master"
    start, one = trained("momentum{momentum=0.5}", 0), trained("momentum{momentum=0.5}", 1, 1e-4)
    two = trained("momentum{momentum=0.5}", 2, 1e-4)
    for n in name:
        first, second = one[n] - start[n], two[n] - one[n]
        assert np.abs(second - 1.5 * first).max() < 0.05 * np.abs(first).max()


# ------------------------------------------------------------------ what is refused, and what is said


def test_adam_is_for_floats():
    error = error_of("adam")
    assert error.code == "GL204"
    assert "first.weight is quantised" in str(error)
    assert "use sgd or momentum" in error.hint


def test_nesterov_is_for_floats():
    assert error_of("momentum{nesterov=true}").code == "GL204"


@pytest.mark.parametrize("update", ["adam", "momentum{nesterov=true}"])
def test_where_the_head_alone_learns_every_rule_is_welcome(update):
    graph = clone(NET)
    for state in graph.states:
        state.trainable = state.name.startswith("head.")
    assert not updates(step_of(update, graph), "quantized_sgd")


@pytest.mark.parametrize(
    "rule",
    [
        "sgd{weights=int4}",
        "sgd{rounding=down}",
        "sgd{bound=-1}",
        "sgd{bound=inf}",
        "sgd{weights=float,bound=0.5}",
        "sgd{weights=float,rounding=nearest}",
    ],
)
def test_options_out_of_range(rule):
    with pytest.raises(CompileError, match="GL212"):
        make(TOOLS, "update_rules", parse_calls(rule)[0])


@pytest.mark.parametrize(("update", "said"), [("sgd{bound=1,seed=3}", "bound, seed"), ("momentum{qas=false}", "qas")])
def test_options_without_meaning_are_not_passed_over_in_silence(update, said):
    context = Context(TOOLS)
    apply(linear(), f"differentiate{{update={update}}}", context)
    assert [n for n in context.notes if f"{said} changes nothing: no quantised parameter learns" in n]
    context = Context(TOOLS)
    apply(clone(NET), f"differentiate{{update={update}}}", context)
    assert not context.notes
