"""Reordering: updates follow their gradients, the peak never rises, and not one bit of the numbers changes."""

import pytest

from gradlet.ir.graph import Phase
from gradlet.ir.memory_plan import live_slots, lower_bound
from gradlet.ir.verifier import verify
from gradlet.optimizers.schedule import is_allowed, updates_moved_up
from gradlet.tests.small_models import TOOLS, apply, compiled, conv_net, mlp, train

RULES = ["sgd", "momentum{nesterov=true,every=2}", "adam"]


def _bound(graph) -> int:
    return lower_bound(live_slots(graph, TOOLS.ops))


def test_eight_equal_layers_need_a_third_at_most():
    equal = [64] * 9
    late = compiled(mlp(*equal), "train_late_update")
    early = compiled(mlp(*equal), "train")
    assert 3 * early.graph.plan.arena_bytes <= late.graph.plan.arena_bytes
    assert train(early)[0] == train(late)[0]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("graph", [mlp(6, 8, 8, 3), conv_net()], ids=["mlp", "conv_net"])
def test_numbers_stay_bit_for_bit(graph, rule):
    options = {"differentiate": {"update": rule}}
    late, early = (compiled(graph, name, **options) for name in ("train_late_update", "train"))
    (late_losses, late_states), (early_losses, early_states) = train(late), train(early)
    assert late_losses == early_losses
    assert all((late_states[name] == early_states[name]).all() for name in late_states)


def test_without_early_update_all_updates_come_last():
    phases = [n.phase for n in compiled(conv_net(), "train_late_update").graph.nodes]
    first = phases.index(Phase.UPDATE)
    assert set(phases[first:]) == {Phase.UPDATE}


def test_an_update_follows_what_it_waits_for():
    graph = apply(mlp(6, 8, 8, 3), "differentiate,dead_code,early_update")
    position = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.phase is Phase.UPDATE:
            readers = [u for u in node.inputs[0].users if u is not node]
            waits = [position[n] for n in [*readers, *(v.producer for v in node.inputs if v.producer)]]
            assert position[node] - max(waits) <= 1, f"{node} waits longer than it has to"


@pytest.mark.parametrize("scheme", ["full", "last_2", "bias_only", "full{ratio=0.5}"])
@pytest.mark.parametrize("graph", [mlp(6, 8, 8, 3), conv_net()], ids=["mlp", "conv_net"])
def test_the_peak_never_rises(graph, scheme):
    late = compiled(graph, "train_late_update", sparse_update={"scheme": scheme})
    before = _bound(late.graph)
    apply(late.graph, "early_update")
    assert _bound(late.graph) <= before


def test_a_good_order_is_left_alone():
    graph = apply(conv_net(), "differentiate,dead_code,early_update")
    text = str(graph)
    apply(graph, "early_update")
    assert str(graph) == text


def test_an_order_against_a_hazard_is_not_allowed():
    graph = apply(mlp(6, 8, 3), "differentiate,dead_code")
    assert is_allowed(graph, graph.nodes)
    assert is_allowed(graph, updates_moved_up(graph))
    update = next(n for n in graph.nodes if n.op == "sgd" and n.inputs[0].name == "layers.1.weight")
    gradient = update.inputs[1].producer
    order = [n for n in graph.nodes if n not in (update, gradient)]
    reader = next(n for n in order if n.op == "matmul")
    order[order.index(reader) : order.index(reader)] = [gradient, update]
    assert not is_allowed(graph, order)
    graph.nodes[:] = order
    with pytest.raises(AssertionError, match="has overwritten"):
        verify(graph, TOOLS.ops)


def test_outputs_are_kept_to_the_end():
    program = compiled(conv_net())
    last = len(program.graph.nodes)
    lasting = {v for s in program.graph.plan.slots if s.last == last for v in s.values}
    assert set(program.graph.outputs) <= lasting
