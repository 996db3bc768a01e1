"""What TVM makes of a program, as files: the TensorIR functions, their machine code, and the order of the calls."""

from __future__ import annotations

import json
import math
import platform
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from gradlet.backends.tvm.build import compile_module, host_target
from gradlet.backends.tvm.calls import Call, calls
from gradlet.backends.tvm.function import make_function
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.layout import Place, places, plan_of
from gradlet.backends.tvm.package import tvm
from gradlet.ir.backend import Artifact
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value
from gradlet.ir.plugin import Toolbox
from gradlet.ir.printer import print_node
from gradlet.ir.program import Program
from gradlet.ir.target import Target


def emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    """`<name>_kernels.py`, `<name>_kernels.o` and `<name>_calls.json`, for this machine."""
    if target.cpu != platform.machine():
        raise CompileError(
            "GL320",
            f"backend 'tvm' builds for this machine, {platform.machine()}; target {target.name!r} is {target.cpu}",
            hint=f"take backend {target.backend!r}, or a target with this machine's processor",
        )
    plans = [plan_of(graph, toolbox.ops) for graph in program.graphs]
    placed = [places(graph, plan) for graph, plan in zip(program.graphs, plans, strict=True)]
    lists = [calls(graph, toolbox.kernels("tvm"), at) for graph, at in zip(program.graphs, placed, strict=True)]
    names = _names([call for list_ in lists for call in list_])
    functions = [make_function(kernel, case, name) for (kernel, case), name in names.items()]
    module = tvm.IRModule({f.attrs["global_symbol"]: f for f in functions})
    schedule = {
        "arena_bytes": max(plan.arena_bytes for plan in plans),
        "graphs": [
            {"name": graph.name, "calls": [_described(call, names, at) for call in list_]}
            for graph, list_, at in zip(program.graphs, lists, placed, strict=True)
        ],
    }
    return Artifact(
        {
            f"{program.name}_kernels.py": module.script().encode(),
            f"{program.name}_kernels.o": _machine_code(functions),
            f"{program.name}_calls.json": json.dumps(schedule, indent=1).encode(),
        },
        {"functions": len(names), "calls": sum(map(len, lists)), "processor": host_target().attrs["mcpu"]},
    )


def _names(all_calls: list[Call]) -> dict[tuple[Kernel, Case], str]:
    """A name for each function: its op, and a number from the second of an op on."""
    count: Counter[str] = Counter()
    names: dict[tuple[Kernel, Case], str] = {}
    for call in all_calls:
        if (call.kernel, call.case) not in names:
            number = count[call.case.op]
            names[call.kernel, call.case] = f"{call.case.op}_{number}" if number else call.case.op
            count[call.case.op] += 1
    return names


def _described(call: Call, names: dict[tuple[Kernel, Case], str], placed: dict[Value, Place]) -> dict[str, Any]:
    """A call; its arguments are bytes into the arena, or into states."""
    return {
        "function": names[call.kernel, call.case],
        "arguments": [_argument(call, value, placed[value]) for value in call.arguments],
        "node": print_node(call.node),
    }


def _argument(call: Call, value: Value, place: Place) -> dict[str, Any]:
    offset = place.offset
    if value in call.parts:
        below = math.prod(value.type.shape[call.node.attrs["axis"] + 1 :])
        offset += call.node.attrs["begin"] * below * value.type.dtype.bits // 8
    return {"state": place.state, "offset": offset} if place.state else {"offset": offset}


def _machine_code(functions: list[Any]) -> bytes:
    """An object file; its symbols are those of TVM's calling convention."""
    library = compile_module(functions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.o"
        library.mod.write_to_file(str(path), "o")
        return path.read_bytes()
