"""Writes a program as C: one header, one source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from gradlet.backends.tinyengine import c_text, facts
from gradlet.backends.tinyengine.c_source import collect
from gradlet.backends.tinyengine.kernel import Arg, Call, Scratch, Table
from gradlet.backends.tinyengine.model import SAVE_VERSION, Model, Routine, describe
from gradlet.backends.tinyengine.report import report
from gradlet.ir.backend import Artifact
from gradlet.ir.graph import Value, storage
from gradlet.ir.memory_plan import Slot
from gradlet.ir.plugin import Toolbox
from gradlet.ir.printer import print_node
from gradlet.ir.program import Program
from gradlet.ir.target import Target


def emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    """`<name>.h` and `<name>.c`."""
    model = describe(program, target, toolbox)
    return Artifact({name: text.encode() for name, text in files(model).items()}, report(model))


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )


def files(model: Model) -> dict[str, str]:
    """The text of the header and of the source, by file name."""
    names: dict[str, Any] = {"m": model, "M": model.name.upper(), "declare": _declare, "c": c_text, "facts": facts}
    header = _templates().get_template("model.h.jinja").render(names)
    bodies = {r.symbol: list(_body(r, model)) for r in model.routines}
    headers, definitions, entries = _kernels(model)
    places = {p: place(p.value, r, model) for r in model.routines for p in (*r.inputs, *r.outputs)}
    source = (
        _templates()
        .get_template("model.c.jinja")
        .render(
            names,
            headers=headers,
            definitions=definitions,
            entries=entries,
            bodies=bodies,
            places=places,
            arena_map=_arena_map,
            save_version=SAVE_VERSION,
        )
    )
    return {f"{model.name}.h": header, f"{model.name}.c": source}


def _kernels(model: Model) -> tuple[list[str], list[Any], set[str]]:
    """The system headers, the definitions to copy, and which of them the routines call."""
    wanted = {
        call.function: routine.kernels[node].source
        for routine in model.routines
        for node in routine.graph.nodes
        for call in routine.kernels[node].calls(node)
    }
    headers, definitions = collect((source, function) for function, source in wanted.items())
    uses_infinity = any(isinstance(a, float) and not abs(a) < float("inf") for a in _arguments(model))
    own = {"stddef.h", "stdint.h", "string.h"} | ({"math.h"} if uses_infinity else set())
    return sorted({*headers, *own}), definitions, set(wanted)


def _arguments(model: Model) -> Iterator[Arg]:
    for routine in model.routines:
        for node in routine.graph.nodes:
            for call in routine.kernels[node].calls(node):
                yield from call.args


def _declare(routine: Routine) -> str:
    """`float mlp_train_step(float lr)`."""
    arguments = ", ".join(f"{c_text.c_type(p.value.type.dtype)} {p.symbol}" for p in routine.arguments)
    return f"{'float' if routine.result else 'void'} {routine.symbol}({arguments or 'void'})"


def _body(routine: Routine, model: Model) -> Iterator[str]:
    """The statements: scalars into the arena, then the calls, each followed by its IR line."""
    for port in routine.arguments:
        yield f"*{place(port.value, routine, model)} = {port.symbol};"
    for index, node in enumerate(routine.graph.nodes):
        line = c_text.comment(print_node(node))
        calls = routine.kernels[node].calls(node)
        for k, call in enumerate(calls):
            end = f" // {line}" if k == len(calls) - 1 else ""
            yield f"{_statement(call, index, routine, model)};{end}"
        if not calls:
            yield f"// {line}"
    if routine.result:
        yield f"return *{place(routine.result, routine, model)};"


def _statement(call: Call, index: int, routine: Routine, model: Model) -> str:
    return f"{call.function}({', '.join(_argument(a, index, routine, model) for a in call.args)})"


def _argument(arg: Arg, index: int, routine: Routine, model: Model) -> str:
    match arg:
        case None:
            return "NULL"
        case Value():
            return place(arg, routine, model)
        case Scratch():
            return f"{model.name}_arena + {routine.scratch(index)}"
        case tuple() | Table():
            return model.tables[arg]
        case float():
            return c_text.float_literal(arg)
        case int():
            return str(int(arg))
    raise AssertionError(f"a kernel passes {arg!r}, a {type(arg).__name__}")


def place(value: Value, routine: Routine, model: Model) -> str:
    """Where the elements of a value are, as a C pointer."""
    root = storage(value)
    if root in routine.states:
        return model.variable(root).symbol
    return f"AT({c_text.c_type(value.type.dtype)}, {routine.offsets[value]})"


def _arena_map(routine: Routine) -> Iterator[str]:
    """One line a slot: offset, bytes, steps, values."""
    for slot in sorted(routine.plan.slots, key=lambda s: (s.offset, s.first, s.last)):
        steps = f"{max(slot.first, 0)}..{min(slot.last, len(routine.graph.nodes) - 1)}"
        yield f"{slot.offset:8} {slot.size:8}  {steps:>9}  {_contents(slot)}"


def _contents(slot: Slot) -> str:
    return ", ".join(c_text.comment(f"{v}: {v.type}") for v in slot.values) or "working memory"
