"""Gives every transient value its place in the arena."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan, check, live_slots
from gradlet.ir.op_def import OpSet
from gradlet.ir.passes import Context
from gradlet.ir.plugin import modules
from gradlet.optimizers.arena_problem import Problem
from gradlet.optimizers.passes.choose_kernels import ChooseKernels

_PACKAGE = "gradlet.optimizers.placement"


@dataclass(frozen=True)
class PlaceBuffers:
    """Sets `graph.plan`.

    Attributes:
        algorithm: `best`, or one of those that it chooses from (optimizers/placement).
    """

    name: ClassVar[str] = "place_buffers"
    algorithm: str = "best"

    def run(self, graph: Graph, context: Context) -> bool:
        before = graph.plan
        ChooseKernels().run(graph, context)  # a plan has to know their working memory
        alignment = context.target.alignment if context.target else 4
        graph.plan = place(graph, context.ops, alignment, self.algorithm)
        return graph.plan != before


def place(
    graph: Graph, ops: OpSet, alignment: int = 4, algorithm: str = "best", pinned: Mapping[str, int] | None = None
) -> MemoryPlan:
    """A checked plan of the arena; `pinned` are the offsets of inputs, by name."""
    known = modules(_PACKAGE)
    if algorithm not in known:
        hint = f"known: {', '.join(known)}"
        raise CompileError("GL211", f"no placement algorithm is called {algorithm!r}", hint=hint)
    slots = live_slots(graph, ops)
    inputs = {k: s.values[0].name for k, s in enumerate(slots) if s.first < 0}
    fixed = {k: pinned[name] for k, name in inputs.items() if name in pinned} if pinned else {}
    problem = Problem(slots, alignment, fixed)
    offsets = importlib.import_module(f"{_PACKAGE}.{algorithm}").place(problem)
    placed = tuple(slot.at(offset) for slot, offset in zip(slots, offsets, strict=True))
    plan = MemoryPlan(placed, problem.height(offsets), problem.bound, alignment, algorithm)
    check(graph, ops, plan)
    return plan


PASS = PlaceBuffers
