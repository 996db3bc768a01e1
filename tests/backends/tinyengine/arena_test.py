"""Kernels stay within the bytes that the memory plan gives them: canaries lie around every slot of the arena."""

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest

from gradlet.backends.tinyengine.c_text import packed, unpacked
from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.library import Library
from gradlet.backends.tinyengine.kernel import choose_kernels
from gradlet.backends.tinyengine.model import Model, describe
from gradlet.ir.graph import Graph, storage
from gradlet.ir.memory_plan import MemoryPlan, Slot, check, live_slots
from gradlet.ir.program import Program
from gradlet.tests.backends.tinyengine.programs import COVERED, HOST
from gradlet.tests.ops.cases import TOOLBOX, Case, graph_of

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


class Probe:
    """All cases in one library, whose arenas are open to the test."""

    def __init__(self, in_place: bool):
        self.models: dict[str, Model] = {}
        for case in COVERED:
            program = Program(graph_of(case))
            choose_kernels(program, HOST, TOOLBOX)
            slots = live_slots(program.graph, TOOLBOX.ops) if in_place else apart(program.graph)
            program.graph.plan = with_gaps(slots)
            check(program.graph, TOOLBOX.ops, program.graph.plan)
            self.models[str(case)] = describe(program, HOST, TOOLBOX, {m.name for m in self.models.values()})
        self.library = Library(Build(("-O1",)).library(dict(self._sources())))

    def _sources(self) -> Iterator[tuple[str, bytes]]:
        for m in self.models.values():
            text = files(m)
            yield f"{m.name}.h", text[f"{m.name}.h"].encode()
            probe = (
                f"uint8_t *{m.name}_probe(void);\nuint8_t *{m.name}_probe(void) {{\n    return {m.name}_arena;\n}}\n"
            )
            yield f"{m.name}.c", (text[f"{m.name}.c"] + probe).encode()

    def arena(self, model: Model) -> np.ndarray:
        function = getattr(self.library.c, f"{model.name}_probe")
        function.restype = ctypes.POINTER(ctypes.c_uint8)
        return np.ctypeslib.as_array(function(), (model.arena_bytes,))


@pytest.fixture(scope="module", params=["in place", "apart"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    made = Probe(request.param == "in place")
    yield made
    made.library.close()


@pytest.mark.parametrize("case", COVERED, ids=str)
def test_bytes_outside_of_the_slots_are_not_touched(probe: Probe, case: Case):
    model = probe.models[str(case)]
    routine, arena = model.infer, probe.arena(model)
    getattr(probe.library.c, f"{model.name}_init")()
    arena[:] = CANARY
    arguments = dict(zip([f"x{i}" for i in range(len(case.example.types))], case.arguments(), strict=True))
    given = {v: packed(arguments[v.name], v.type) for v in routine.graph.inputs}
    scalars = {p.value: p for p in routine.arguments}
    for value, data in given.items():
        raw = np.frombuffer(data.tobytes(), np.uint8)
        arena[routine.offsets[value] :][: len(raw)] = raw
    function = getattr(probe.library.c, routine.symbol)
    function.restype = None
    function(*(np.ctypeslib.as_ctypes_type(given[v].dtype)(given[v].item()) for v in scalars))

    free = np.ones(len(arena), bool)
    for slot in routine.plan.slots:
        free[slot.offset : slot.end] = False
    assert free.sum() >= GAP and (arena[free] == CANARY).all(), "bytes beside the slots have changed"
    taken_over = {v for slot in routine.plan.slots for v in slot.values[:-1]}
    for value, data in given.items():
        if value not in taken_over:
            found = arena[routine.offsets[value] :][: value.type.bytes].tobytes()
            assert found == data.tobytes(), f"operand {value} has changed"


@pytest.mark.parametrize("case", COVERED, ids=str)
def test_result_is_that_of_numpy_wherever_it_lies(probe: Probe, case: Case):
    model = probe.models[str(case)]
    routine, arena = model.infer, probe.arena(model)
    test_bytes_outside_of_the_slots_are_not_touched(probe, case)
    expected = case.op.evaluate(case.arguments(), case.example.attrs)
    states = {s.value for s in routine.graph.states}
    for value, array in zip(routine.graph.outputs, expected, strict=True):
        if storage(value) not in states:
            found = unpacked(arena[routine.offsets[value] :][: value.type.bytes].tobytes(), value.type)
            np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-6, err_msg=str(value))
