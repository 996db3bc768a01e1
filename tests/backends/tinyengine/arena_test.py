"""Kernels stay within the bytes that the memory plan gives them: canaries lie around every slot of the arena."""

import ctypes

import numpy as np
import pytest

from gradlet.backends.tinyengine.c_text import packed, unpacked
from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.library import Library
from gradlet.backends.tinyengine.kernel import choose_kernels
from gradlet.backends.tinyengine.model import Model, describe
from gradlet.ir.graph import Graph, Value, storage
from gradlet.ir.memory_plan import MemoryPlan, Slot, check, live_slots
from gradlet.tests.backends.tinyengine.programs import HOST, case_inputs, every_case
from gradlet.tests.ops.cases import CASES, TOOLBOX, Case

CANARY, GAP = 0xA5, 32


def apart(graph: Graph) -> list[Slot]:
    """A slot for each value, none taken over; but what an op promises to overwrite it does."""
    states = {s.value for s in graph.states}
    last = len(graph.nodes)
    values = [v for v in graph.values() if storage(v) not in states]
    first = {v: -1 if v in graph.inputs else graph.nodes.index(v.producer) for v in values}
    scratch = [Slot((), i, i, n.choice.scratch_bytes) for i, n in enumerate(graph.nodes) if n.choice.scratch_bytes]
    return [Slot((v,), first[v], last, v.type.bytes) for v in values] + scratch


def with_gaps(slots: list[Slot]) -> MemoryPlan:
    """Every slot in bytes of its own, canaries before, between and after."""
    placed, top = [], GAP
    for slot in slots:
        placed.append(slot.at(top))
        top += -(-slot.size // HOST.alignment) * HOST.alignment + GAP
    return MemoryPlan(tuple(placed), top, 0, HOST.alignment, "gaps")


class Ran:
    """A run of every case at once, whose arena is open to the test."""

    def __init__(self, in_place: bool):
        program, self.nodes = every_case()
        choose_kernels(program, HOST, TOOLBOX)
        graph = program.graph
        graph.plan = with_gaps(live_slots(graph, TOOLBOX.ops) if in_place else apart(graph))
        check(graph, TOOLBOX.ops, graph.plan)
        self.given = case_inputs(self.nodes)
        self.model = describe(program, HOST, TOOLBOX)
        assert self.model.infer
        self.routine = self.model.infer
        library = Library(Build(("-O1",)).library(_open(self.model)))
        library.c.every_arena_of.restype = ctypes.POINTER(ctypes.c_uint8)
        arena = np.ctypeslib.as_array(library.c.every_arena_of(), (self.model.arena_bytes,))
        arena[:] = CANARY
        self._run(library, arena)
        self.arena = arena.copy()
        library.close()

    def _run(self, library: Library, arena: np.ndarray) -> None:
        for port in self.routine.inputs:
            raw = np.frombuffer(self.bytes_given(port.value), np.uint8)
            arena[self.routine.offsets[port.value] :][: len(raw)] = raw
        library.c.every_init()
        scalars = [(p.value, packed(self.given[p.value.name], p.value.type)) for p in self.routine.arguments]
        library.c.every_infer(*(np.ctypeslib.as_ctypes_type(data.dtype)(data.item()) for _, data in scalars))

    def bytes_given(self, value: Value) -> bytes:
        return packed(self.given[value.name], value.type).tobytes()

    def bytes_of(self, value: Value) -> bytes:
        return self.arena[self.routine.offsets[value] :][: value.type.bytes].tobytes()


def _open(model: Model) -> dict[str, bytes]:
    """The files of the model, with a function that tells where the arena is."""
    text = files(model)
    probe = "uint8_t *every_arena_of(void);\nuint8_t *every_arena_of(void) {\n    return every_arena;\n}\n"
    return {"every.h": text["every.h"].encode(), "every.c": (text["every.c"] + probe).encode()}


@pytest.fixture(scope="module", params=["in place", "apart"])
def ran(request: pytest.FixtureRequest) -> Ran:
    return Ran(request.param == "in place")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_canaries_around_the_slots_are_untouched(ran: Ran, case: Case):
    node = ran.nodes[case]
    around = {*node.inputs, *node.outputs}
    index = ran.routine.graph.nodes.index(node)
    for slot in ran.routine.plan.slots:
        if around & {*slot.values} or (not slot.values and slot.first == index):
            assert (ran.arena[slot.offset - GAP : slot.offset] == CANARY).all(), f"before {slot.values}"
            assert (ran.arena[slot.end : slot.end + GAP] == CANARY).all(), f"after {slot.values}"


def test_nothing_outside_of_the_slots_is_touched(ran: Ran):
    free = np.ones(len(ran.arena), bool)
    for slot in ran.routine.plan.slots:
        free[slot.offset : slot.end] = False
    assert free.sum() >= GAP * len(CASES) and (ran.arena[free] == CANARY).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operands_that_nothing_takes_over_are_unchanged(ran: Ran, case: Case):
    taken_over = {v for slot in ran.routine.plan.slots for v in slot.values[:-1]}
    for value in {*ran.nodes[case].inputs} - taken_over:
        if value in ran.routine.graph.inputs:
            assert ran.bytes_of(value) == ran.bytes_given(value), str(value)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_result_is_that_of_numpy_wherever_it_lies(ran: Ran, case: Case):
    expected = case.op.evaluate(case.arguments(), case.example.attrs)
    for value, array in zip(ran.nodes[case].outputs, expected, strict=True):
        if storage(value) not in ran.routine.states:
            found = unpacked(ran.bytes_of(value), value.type)
            np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-6, err_msg=str(value))
