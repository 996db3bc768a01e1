"""The checker of memory plans accepts what is right, and finds every kind of mistake in one."""

from dataclasses import replace

import pytest

from gradlet.ir.graph import KernelChoice
from gradlet.ir.memory_plan import MemoryPlan, Slot, check, live_slots, lower_bound
from gradlet.tests.small_models import TOOLS, Builder, compiled, conv_net


def _planned():
    program = compiled(conv_net())
    return program.graph, program.graph.plan


def _changed(plan: MemoryPlan, index: int, **fields) -> MemoryPlan:
    slots = [replace(s, **fields) if k == index else s for k, s in enumerate(plan.slots)]
    return replace(plan, slots=tuple(slots))


def _refused(graph, plan, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(graph, TOOLS.ops, plan)


def _index(plan: MemoryPlan, name: str) -> int:
    return next(k for k, s in enumerate(plan.slots) if any(v.name == name for v in s.values))


def test_every_slot_that_moves_onto_another_is_noticed():
    graph, plan = _planned()
    checked = 0
    for k, slot in enumerate(plan.slots):
        for other in plan.slots:
            if other is not slot and slot.lives_with(other) and slot.size and other.size:
                wrong = _changed(plan, k, offset=other.offset)
                if wrong.slots[k].end <= plan.arena_bytes:
                    checked += 1
                    _refused(graph, wrong, "lost|over|share|lies|part of")
    assert checked > 100


def test_a_value_without_a_place():
    graph, plan = _planned()
    _refused(graph, replace(plan, slots=plan.slots[1:]), "has no place")


def test_a_value_with_two_places():
    graph, plan = _planned()
    double = replace(plan, slots=(*plan.slots, plan.slots[0]))
    _refused(graph, double, "has two places")


def test_a_value_outside_of_the_arena():
    graph, plan = _planned()
    k = _index(plan, "x")
    _refused(graph, _changed(plan, k, offset=plan.arena_bytes), "outside of the arena")
    _refused(graph, _changed(plan, k, offset=-4), "outside of the arena")


def test_a_value_that_is_not_aligned():
    graph, plan = _planned()
    k = _index(plan, "loss")
    _refused(graph, _changed(plan, k, offset=plan.slots[k].offset + 1), "not aligned|share|outside")


def test_a_plan_cannot_make_do_with_a_smaller_alignment():
    graph, plan = _planned()
    k = _index(plan, "loss")
    odd = _changed(plan, k, offset=plan.arena_bytes + 2)
    _refused(graph, replace(odd, alignment=1, arena_bytes=1 << 20), "aligned")


def test_an_arena_below_its_bound():
    graph, plan = _planned()
    _refused(graph, replace(plan, lower_bound=plan.arena_bytes + 4), "below the bound")


def test_in_place_only_as_the_op_promises():
    """matmul reads its operands again and again: its result may not lie over one."""
    b = Builder("product", 3, 3)
    y = b.emit("matmul", b.x, b.x)
    graph = b.done(y)
    slots = (Slot((b.x,), -1, 0, 36), Slot((y,), 0, 1, 36))
    _refused(graph, MemoryPlan(slots, 36, 36), "over its operand")


def test_an_operand_read_at_two_places_is_taken_over_only_if_both_allow_it():
    b = Builder("twice", 3, 3)
    h = b.emit("relu", b.x)
    twice = b.emit("softmax_grad", h, h, axis=-1)
    graph = b.done(twice)
    allowed = TOOLS.ops["softmax_grad"].may_overwrite.get(0, ())
    expected = 1 if set(allowed) == {0, 1} else 2
    assert sum(1 for s in live_slots(graph, TOOLS.ops) if {h, twice} & set(s.values)) == expected


def test_in_place_starts_at_the_same_byte():
    b = Builder("shifted", 4)
    y = b.emit("relu", b.x)
    graph = b.done(y)
    plan = MemoryPlan((Slot((b.x,), -1, 0, 16), Slot((y,), 0, 1, 16, 4)), 20, 16)
    _refused(graph, plan, "over a part of its operand")
    check(graph, TOOLS.ops, MemoryPlan((Slot((b.x, y), -1, 1, 16),), 16, 16))


def test_an_operand_that_is_repeated_may_not_be_overwritten():
    """add allows both of its operands to be taken over, but reads this one again for every row."""
    b = Builder("repeated", 4)
    rows = b.weight(3, 4)
    y = b.emit("add", b.x, rows)
    graph = b.done(y)
    _refused(graph, MemoryPlan((Slot((b.x, y), -1, 1, 48),), 48, 48), "over its operand")
    assert len(live_slots(graph, TOOLS.ops)) == 2


def test_an_operand_that_lives_on_may_not_be_overwritten():
    b = Builder("kept", 4)
    y = b.emit("relu", b.x)
    z = b.emit("add", y, b.x)
    graph = b.done(z)
    plan = MemoryPlan((Slot((b.x, y), -1, 1, 16), Slot((z,), 1, 2, 16, 16)), 32, 16)
    _refused(graph, plan, "%x is lost")


def test_an_output_must_last():
    b = Builder("early", 4)
    y = b.emit("exp", b.x)
    z = b.emit("exp", y)
    graph = b.done(y, z)
    plan = MemoryPlan((Slot((b.x,), -1, 0, 16), Slot((y, z), 0, 2, 16, 16)), 32, 16)
    _refused(graph, plan, "output %0 is lost|over its operand")


def test_working_memory_has_a_place_of_its_own():
    b = Builder("scratch", 4)
    y = b.emit("exp", b.x)
    graph = b.done(y)
    graph.nodes[0].choice = KernelChoice("exp", 8)
    values = (Slot((b.x,), -1, 0, 16), Slot((y,), 0, 1, 16, 16))
    _refused(graph, MemoryPlan(values, 64, 0), "no place for 8 bytes of working memory")
    _refused(graph, MemoryPlan((*values, Slot((), 0, 0, 4, 32)), 64, 0), "no place for 8 bytes")
    _refused(graph, MemoryPlan((*values, Slot((), 0, 0, 8, 28)), 64, 0), "lies in the working memory")
    _refused(graph, MemoryPlan((*values, Slot((), 0, 0, 8, 60)), 64, 0), "is outside")
    _refused(graph, MemoryPlan((*values, Slot((), 0, 0, 8, 33)), 64, 0), "is not aligned")
    check(graph, TOOLS.ops, MemoryPlan((*values, Slot((), 0, 0, 8, 32)), 64, 0))
    assert [s.size for s in live_slots(graph, TOOLS.ops) if not s.values] == [8]


def test_the_bound_counts_what_lives_together():
    slots = [Slot((), 0, 2, 10), Slot((), 1, 1, 6), Slot((), 2, 3, 4), Slot((), 4, 4, 13)]
    assert lower_bound(slots) == 16
    assert lower_bound(slots, alignment=8) == 24
    assert lower_bound([]) == 0
