"""What TVM makes of a program, as files: the TensorIR functions, their machine code, and the order of the calls."""

from __future__ import annotations

import json
import math
import platform
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradlet.backends.tvm.build import build_module, host_target, module_of
from gradlet.backends.tvm.calls import Call, calls
from gradlet.backends.tvm.function import Function, make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.layout import Place, places, plan_of, scratch_places
from gradlet.ir.backend import Artifact
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.ir.memory_plan import MemoryPlan
from gradlet.ir.plugin import Toolbox
from gradlet.ir.printer import print_node
from gradlet.ir.program import Program
from gradlet.ir.target import Target

Functions = dict[tuple[Kernel, Case], Function]


def emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    """`<name>_kernels.py`, `<name>_kernels.o` and `<name>_calls.json`, for this machine."""
    if target.cpu != platform.machine():
        raise CompileError(
            "GL320",
            f"backend 'tvm' builds for this machine, {platform.machine()}; target {target.name!r} is {target.cpu}",
            hint=f"take backend {target.backend!r}, or a target with this machine's processor",
        )
    plans = [plan_of(graph, toolbox.ops) for graph in program.graphs]
    kernels = toolbox.kernels("tvm")
    lists = [calls(g, kernels, places(g, plan)) for g, plan in zip(program.graphs, plans, strict=True)]
    functions = _functions([call for list_ in lists for call in list_])
    schedule = {
        "arena_bytes": max(plan.arena_bytes for plan in plans),
        "graphs": [_graph(*row, functions) for row in zip(program.graphs, plans, lists, strict=True)],
    }
    return Artifact(
        {
            f"{program.name}_kernels.py": module_of(functions.values()).script().encode(),
            f"{program.name}_kernels.o": _machine_code(build_module(functions)),
            f"{program.name}_calls.json": json.dumps(schedule, indent=1).encode(),
        },
        {"functions": len(functions), "calls": sum(map(len, lists)), "processor": host_target().attrs["mcpu"]},
    )


def _functions(all_calls: list[Call]) -> Functions:
    """The functions by kernel and case; each is called like its op, with a number from the second of an op on."""
    count: Counter[str] = Counter()
    made: Functions = {}
    for call in all_calls:
        if (call.kernel, call.case) not in made:
            op, number = call.case.op, count[call.case.op]
            made[call.kernel, call.case] = make_function(call.kernel, call.case, f"{op}_{number}" if number else op)
            count[op] += 1
    return made


def _graph(graph: Graph, plan: MemoryPlan, calls_: list[Call], functions: Functions) -> dict[str, Any]:
    placed, scratch = places(graph, plan), scratch_places(graph, plan)

    def arguments(call: Call, function: Function) -> Iterator[dict[str, Any]]:
        yield from (_argument(call, value, placed[value]) for value in call.arguments)
        slot = scratch.get(call.node)
        planned = slot is not None and slot.size >= function.scratch_bytes
        for piece in function.scratch:
            yield {"offset": slot.offset + piece.offset} if slot and planned else {"scratch": piece.offset}

    described = []
    for call in calls_:
        function = functions[call.kernel, call.case]
        row = {"function": function.name, "arguments": list(arguments(call, function)), "node": print_node(call.node)}
        described.append(row)
    return {"name": graph.name, "calls": described}


def _argument(call: Call, value: Value, place: Place) -> dict[str, Any]:
    """Bytes into the arena, or into a state."""
    offset = place.offset
    if value in call.parts:
        part = call.parts[value]
        below = math.prod(value.type.shape[part.axis + 1 :])
        offset += part.begin * below * value.type.dtype.bits // 8
    return {"state": place.state, "offset": offset} if place.state else {"offset": offset}


def _machine_code(library: Any) -> bytes:
    """An object file; its symbols are those of TVM's calling convention."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.o"
        library.mod.write_to_file(str(path), "o")
        return path.read_bytes()
