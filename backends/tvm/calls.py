"""A graph as a list of calls: for each node its kernel, its case, and the memory it works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gradlet.backends.tvm.function import parameters
from gradlet.backends.tvm.kernel import Buffer, Case, Kernel, flattened
from gradlet.backends.tvm.layout import Place
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Region, Value
from gradlet.ir.updates import shape_of

# Of `KernelChoice.kernel`; what other backends chose says nothing here.
PREFIX = "tvm/"


@dataclass(frozen=True)
class Call:
    """One node: what it runs, and the values whose memory it is given.

    Attributes:
        parts: Values of which only a part is passed, and which.
    """

    node: Node
    kernel: Kernel
    case: Case
    arguments: tuple[Value, ...]
    parts: Mapping[Value, Region] = field(default_factory=dict)


def calls(graph: Graph, kernels: Mapping[str, Kernel], placed: Mapping[Value, Place]) -> list[Call]:
    """The calls that run the graph, in its order."""
    found = (_call(node, _kernel(node, kernels), placed) for node in graph.nodes)
    return [call for call in found if not _is_done(call)]


def _kernel(node: Node, kernels: Mapping[str, Kernel]) -> Kernel:
    if node.op not in kernels:
        raise CompileError(
            "GL310", f"backend 'tvm' has no kernel for op {node.op!r}", node.loc, "load a plugin that brings one"
        )
    return kernels[node.op]


def _is_done(call: Call) -> bool:
    """Whether the bytes of the result are there already."""
    return call.kernel.view and len({b.place for b in call.case.buffers}) == 1


def _call(node: Node, kernel: Kernel, placed: Mapping[Value, Place]) -> Call:
    parts = _parts(node, kernel)
    values = (*node.inputs, *node.outputs)
    number: dict[Place, int] = {}
    buffers = [_buffer(v, parts.get(v), number.setdefault(placed[v], len(number))) for v in values]
    count = len(node.inputs)
    hidden = {*kernel.unused, *(("axis", "begin", "end", "moments_begin") if parts else ())}
    case = Case(
        node.op,
        tuple(buffers[:count]),
        tuple(buffers[count:]),
        tuple(sorted((k, v) for k, v in node.attrs.items() if k not in hidden)),
        _tuning(node),
    )
    case = flattened(case) if kernel.flat else case
    return Call(node, kernel, case, tuple(values[i] for i in parameters(case)), parts)


def _tuning(node: Node) -> tuple[tuple[str, int], ...]:
    if node.choice is None or not node.choice.kernel.startswith(PREFIX):
        return ()
    return tuple(sorted(node.choice.tuning.items()))


def _parts(node: Node, kernel: Kernel) -> dict[Value, Region]:
    found = {node.inputs[i]: part for i, part_of in kernel.parts.items() if (part := part_of(node.attrs))}
    return found | {v: found[v.overwrites] for v in node.outputs if v.overwrites in found}


def _buffer(value: Value, part: Region | None, place: int) -> Buffer:
    # What integers stand for is in the attributes and operands: nodes that differ in it alone share a function.
    type_ = replace(value.type, quant=None)
    if part is None:
        return Buffer(type_, place)
    seen = type_.with_shape(*shape_of(part, type_))
    contiguous = all(n == 1 for n in type_.shape[: part.axis])
    return Buffer(seen, place, () if contiguous else _strides(type_.shape))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)
