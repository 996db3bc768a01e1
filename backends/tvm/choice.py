"""Tells the memory plan how much working memory each node takes."""

from __future__ import annotations

import functools

from gradlet.backends.tvm.calls import PREFIX, calls
from gradlet.backends.tvm.function import make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.layout import places, plan_of
from gradlet.ir.graph import KernelChoice
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


def choose(program: Program, toolbox: Toolbox) -> None:
    """Writes a choice to every node that runs something; tuning that is there stays."""
    for graph in program.graphs:
        for call in calls(graph, toolbox.kernels("tvm"), places(graph, plan_of(graph, toolbox.ops))):
            size = _scratch_bytes(call.kernel, call.case)
            call.node.choice = KernelChoice(PREFIX + call.case.op, size, dict(call.case.tuning))


@functools.cache
def _scratch_bytes(kernel: Kernel, case: Case) -> int:
    return make_function(kernel, case, case.op).scratch_bytes
