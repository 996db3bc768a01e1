"""The printed form of a graph: deterministic, close to the field's papers, and readable back (parser.py)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradlet.ir.graph import Graph, Node, Region, Role, State, Value
from gradlet.ir.tensor_type import TensorType
from gradlet.ir.updates import moment_region, region


def print_graph(graph: Graph) -> str:
    """The whole graph, one node a line, in the order of the schedule."""
    head = f"step {graph.name}("
    parameters = [f"{v}: {print_type(v.type)}" for v in graph.inputs] + [print_state(s) for s in graph.states]
    signature = head + (",\n" + " " * len(head)).join(parameters) + ") {"
    returned = ", ".join(map(str, graph.outputs))
    return "\n".join([signature, *_body(graph.nodes), f"  return {returned}", "}"]) + "\n"


def _body(nodes: list[Node]) -> Iterator[str]:
    phase = None
    for node in nodes:
        if node.phase is not phase:
            phase = node.phase
            yield f"  // {phase.value}"
        yield f"  {print_node(node)}"


def print_node(node: Node) -> str:
    """`%0 = dense(%x, %w): Tensor[(4, 20), float32]  // fc`."""
    names = ", ".join(map(str, node.outputs))
    left = names if len(node.outputs) == 1 else f"({names})"
    operands = [str(v) for v in node.inputs] + [f"{k}={print_attr(v)}" for k, v in sorted(node.attrs.items())]
    types = ", ".join(print_type(v.type) for v in node.outputs)
    right = types if len(node.outputs) == 1 else f"({types})"
    loc = f"  // {node.loc}" if node.loc else ""
    return f"{left} = {node.op}({', '.join(operands)}): {right}{_writes(node)}{loc}"


def _writes(node: Node) -> str:
    if not any(v.overwrites for v in node.outputs):
        return ""
    return " writes " + ", ".join(_written(v, node) if v.overwrites else "_" for v in node.outputs)


def _written(value: Value, node: Node) -> str:
    """The overwritten value, with the part of it that changes."""
    if not {"axis", "begin", "end"} <= node.attrs.keys():
        return str(value.overwrites)
    part = region(node.attrs) if value is node.outputs[0] else moment_region(node.attrs)
    return f"{value.overwrites}{_index(part) if part else ''}"


def _index(part: Region) -> str:
    return f"[{', '.join([':'] * part.axis + [f'{part.begin}:{part.end}'])}]"


def print_state(state: State) -> str:
    """`state %w: Tensor[(20, 10), float32, needs_grad=0.5[:, 0:5]]`."""
    grad = f"needs_grad={_needs_grad(state)}" if state.role is Role.PARAMETER else ""
    return f"{state.role.value} {state.value}: {print_type(state.value.type, grad)}"


def _needs_grad(state: State) -> str:
    if state.region is None or not state.trainable:
        return str(state.trainable)
    part, size = state.region, state.value.type.shape[state.region.axis]
    return f"{(part.end - part.begin) / size:.4g}{_index(part)}"


def print_type(type_: TensorType, extra: str = "") -> str:
    """`Tensor[(1, 8), int8, scale=0.1, zero_point=3]`; a shape of one axis is `(8)`."""
    shape = f"({', '.join(map(str, type_.shape))})"
    parts = [shape, type_.dtype.value]
    if type_.quant:
        parts += [f"scale={_one_or_list(type_.quant.scale)}", f"zero_point={_one_or_list(type_.quant.zero_point)}"]
        parts += [] if type_.quant.axis is None else [f"axis={type_.quant.axis}"]
    return f"Tensor[{', '.join([*parts, extra] if extra else parts)}]"


def _one_or_list(values: tuple[Any, ...]) -> str:
    return print_attr(values[0] if len(values) == 1 else values)


def print_attr(value: Any) -> str:
    """Ints, floats that read back exactly, True and False, bare or quoted words, and lists of numbers."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(print_attr, value))}]"
    if isinstance(value, str):
        return value if value.isidentifier() and value not in ("inf", "nan", "True", "False") else _quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return repr(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
