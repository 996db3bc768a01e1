"""Programs as protobuf messages and back; the only importer of the generated module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, KernelChoice, Node, Part, Phase, Region, Rescale, Role, Source, State, Value
from gradlet.ir.memory_plan import MemoryPlan, Slot, check
from gradlet.ir.op_def import OpSet
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType
from gradlet.ir.upgrades import IR_VERSION, upgrade
from gradlet.ir.verifier import verify
from gradlet.proto import training_ir_pb2 as pb

PRODUCER = "gradlet 0.1.0"
# Protobuf's limit is 2 GB for everything; the rest is for the graph.
_MESSAGE_BYTES = (1 << 31) - (64 << 20)
_HINT = "write the program anew with `gradlet compile`, or restore the file"


def to_bytes(program: Program, ops: OpSet, weights_file: str = "") -> bytes:
    """The program as a binary message; without the states' data if they go to `weights_file`.

    Raises:
        CompileError: GL008 if the weights would exceed protobuf's limit of 2 GB.
    """
    return _program_message(program, ops, weights_file).SerializeToString(deterministic=True)


def to_text(program: Program, ops: OpSet, weights_file: str = "") -> str:
    """The program in protobuf's text format."""
    return str(text_format.MessageToString(_program_message(program, ops, weights_file)))


def weights_file_of(data: bytes | str) -> str:
    """The name of the weights file that a program asks for; empty if it carries them itself."""
    return str(_parse(data).weights_file)


def from_bytes(data: bytes | str, ops: OpSet, weights: Mapping[str, np.ndarray] | None = None) -> Program:
    """The inverse of `to_bytes` and (for `str`) of `to_text`; `weights` holds the states without data.

    Raises:
        CompileError: GL003 if this is no program or a damaged one, GL004 and GL005 if it is newer than this
            compiler, GL006 if a state has no weights.
    """
    try:
        message = upgrade(_parse(data), ops)
        graph = _read_graph(message.graph, weights or {})
        shared = {state.name: state.init for state in graph.states}
        infer = _read_graph(message.infer, shared) if message.HasField("infer") else None
        program = Program(graph, infer, list(message.pipeline), dict(message.metadata))
        for g in program.graphs:
            verify(g, ops)
            if g.plan:
                check(g, ops, g.plan)
    except (AssertionError, IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        line = str(error).partition("\n")[0]
        raise CompileError("GL003", f"this is no valid program: {line}", hint=_HINT) from error
    return program


def _parse(data: bytes | str) -> pb.Program:
    try:
        message = pb.Program.FromString(data) if isinstance(data, bytes) else text_format.Parse(data, pb.Program())
    except DecodeError as error:
        raise CompileError("GL003", "this is no program, or a damaged one", hint=_HINT) from error
    except text_format.ParseError as error:
        raise CompileError("GL003", f"this is no program: {error}", hint=_HINT) from error
    if not message.ir_version:
        raise CompileError("GL003", "this is no program: it has no ir_version", hint=_HINT)
    if not message.complete:
        raise CompileError("GL003", "this program is truncated", hint=_HINT)
    return message


# ------------------------------------------------------------------ writing


def _program_message(program: Program, ops: OpSet, weights_file: str) -> pb.Program:
    carried = 0 if weights_file else sum(state.init.nbytes for state in program.graph.states)
    if carried > _MESSAGE_BYTES:
        what = f"{program.name}: its weights are {carried:,} bytes, a message holds less than 2 GB"
        raise CompileError("GL008", what, hint="keep the weights in a file of their own")
    used = sorted({node.op for graph in program.graphs for node in graph.nodes})
    return pb.Program(
        ir_version=IR_VERSION,
        producer=PRODUCER,
        graph=_graph_message(program.graph, inline=not weights_file),
        infer=_graph_message(program.infer, inline=False) if program.infer else None,
        op_versions={name: ops[name].version for name in used},
        pipeline=program.pipeline,
        metadata=program.metadata,
        weights_file=weights_file,
        complete=True,
    )


def _graph_message(graph: Graph, inline: bool) -> pb.Graph:
    ids = {value: i for i, value in enumerate(graph.values())}
    return pb.Graph(
        name=graph.name,
        values=[pb.Value(name=v.name, type=_type_message(v.type)) for v in ids],
        inputs=[ids[v] for v in graph.inputs],
        states=[_state_message(s, ids, inline) for s in graph.states],
        nodes=[_node_message(n, ids) for n in graph.nodes],
        outputs=[ids[v] for v in graph.outputs],
        memory=_plan_message(graph.plan, ids) if graph.plan else None,
    )


def _type_message(t: TensorType) -> pb.TensorType:
    q = t.quant
    quant = pb.QuantParams(scale=q.scale, zero_point=q.zero_point, axis=q.axis) if q else None
    return pb.TensorType(dtype=t.dtype.name, shape=t.shape, quant=quant)


def _state_message(state: State, ids: Mapping[Value, int], inline: bool) -> pb.State:
    region, source = state.region, state.source
    return pb.State(
        value=ids[state.value],
        role=state.role.name,
        trainable=state.trainable,
        region=pb.Region(axis=region.axis, begin=region.begin, end=region.end) if region else None,
        source=_source_message(source) if source else None,
        data=_little_endian(state.init).tobytes() if inline else None,
    )


def _source_message(source: Source) -> pb.Source:
    orders = [pb.Source.Order(axis=axis, indices=indices) for axis, indices in source.orders]
    return pb.Source(
        name=source.name,
        shape=source.shape,
        view=source.view,
        permutation=source.permutation,
        orders=orders,
        rescale=map(_rescale_message, source.rescales),
        part=_part_message(source.part) if source.part else None,
    )


def _rescale_message(rescale: Rescale) -> pb.Source.Rescale:
    return pb.Source.Rescale(axis=rescale.axis, scale=rescale.scale, shift=rescale.shift)


def _part_message(part: Part) -> pb.Source.Part:
    return pb.Source.Part(axis=part.axis, begin=part.begin, end=part.end, size=part.size)


def _little_endian(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _node_message(node: Node, ids: Mapping[Value, int]) -> pb.Node:
    written = [ids[v.overwrites] + 1 if v.overwrites else 0 for v in node.outputs]
    choice = node.choice
    return pb.Node(
        op=node.op,
        inputs=[ids[v] for v in node.inputs],
        outputs=[ids[v] for v in node.outputs],
        attrs={name: _attr_message(value) for name, value in node.attrs.items()},
        phase=node.phase.name,
        loc=node.loc,
        kernel=pb.KernelChoice(kernel=choice.kernel, scratch_bytes=choice.scratch_bytes, tuning=choice.tuning)
        if choice
        else None,
        overwrites=written if any(written) else [],
    )


def _attr_message(value: Any) -> pb.Attr:
    if isinstance(value, bool):
        return pb.Attr(b=value)
    if isinstance(value, int):
        return pb.Attr(i=value)
    if isinstance(value, float):
        return pb.Attr(f=value)
    if isinstance(value, str):
        return pb.Attr(s=value)
    if any(isinstance(v, float) for v in value):
        return pb.Attr(floats=pb.Attr.Floats(v=value))
    return pb.Attr(ints=pb.Attr.Ints(v=value))


def _plan_message(plan: MemoryPlan, ids: Mapping[Value, int]) -> pb.MemoryPlan:
    slots = [
        pb.MemoryPlan.Slot(values=[ids[v] for v in s.values], offset=s.offset, size=s.size, first=s.first, last=s.last)
        for s in plan.slots
    ]
    return pb.MemoryPlan(
        slots=slots,
        arena_bytes=plan.arena_bytes,
        lower_bound=plan.lower_bound,
        alignment=plan.alignment,
        algorithm=plan.algorithm,
    )


# ------------------------------------------------------------------ reading


def _read_graph(message: pb.Graph, weights: Mapping[str, np.ndarray]) -> Graph:
    values = [Value(v.name, _read_type(v.type)) for v in message.values]
    graph = Graph(message.name, inputs=_pick(values, message.inputs), outputs=_pick(values, message.outputs))
    graph.states = [_read_state(s, values, weights) for s in message.states]
    for node in message.nodes:
        graph.append(_read_node(node, values))
    graph.plan = _read_plan(message.memory, values) if message.HasField("memory") else None
    graph._serial = 1 + max((int(v.name) for v in values if v.name.isdigit()), default=-1)
    defined = list(graph.values())
    assert len(defined) == len(values), f"{message.name}: {len(values) - len(defined)} values are never defined"
    return graph


def _pick(values: Sequence[Value], ids: Sequence[int]) -> list[Value]:
    return [values[i] for i in ids]


def _read_type(message: pb.TensorType) -> TensorType:
    quant = None
    if message.HasField("quant"):
        q = message.quant
        quant = QuantParams(tuple(q.scale), tuple(q.zero_point), q.axis if q.HasField("axis") else None)
    shape = tuple(message.shape)
    assert all(size >= 0 for size in shape), f"{shape} is no shape"
    return TensorType(DType[pb.TensorType.DType.Name(message.dtype)], shape, quant)


def _read_state(message: pb.State, values: Sequence[Value], weights: Mapping[str, np.ndarray]) -> State:
    value = values[message.value]
    region = message.region
    return State(
        value,
        _read_data(message, value, weights),
        Role[pb.State.Role.Name(message.role)],
        message.trainable,
        Region(region.axis, region.begin, region.end) if message.HasField("region") else None,
        _read_source(message.source, value.type.shape) if message.HasField("source") else None,
    )


def _read_source(message: pb.Source, shape: Sequence[int]) -> Source:
    orders = tuple((order.axis, tuple(order.indices)) for order in message.orders)
    rescales = tuple(Rescale(r.axis, tuple(r.scale), tuple(r.shift)) for r in message.rescale)
    cut, part = message.part, None
    if message.HasField("part"):
        part = Part(cut.axis, cut.begin, cut.end, cut.size)
        fits = part.end <= part.size and part.end - part.begin == shape[part.axis]
        assert fits, f"{message.name}: {part} is not a state of shape {list(shape)}"
    view, permutation = tuple(message.view), tuple(message.permutation)
    return Source(message.name, tuple(message.shape), view, permutation, orders, rescales, part)


def _read_data(message: pb.State, value: Value, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    dtype = value.type.dtype.numpy
    if message.HasField("data"):
        array = np.frombuffer(message.data, dtype.newbyteorder("<")).astype(dtype, copy=False)
        assert array.size == value.type.size, f"the data of {value} has {array.size} elements, not {value.type}"
        return array.reshape(value.type.shape)
    if value.name not in weights:
        raise CompileError("GL006", f"there are no weights for {value}", hint="keep the weights file with its program")
    array = weights[value.name]
    if array.shape != value.type.shape or array.dtype != dtype:
        what = f"the weights of {value} are {array.dtype}{list(array.shape)}, the program wants {value.type}"
        raise CompileError("GL006", what, hint="the weights file belongs to another program")
    return array


def _read_node(message: pb.Node, values: Sequence[Value]) -> Node:
    node = Node(
        message.op,
        _pick(values, message.inputs),
        _pick(values, message.outputs),
        {name: _read_attr(attr) for name, attr in sorted(message.attrs.items())},
        Phase[pb.Node.Phase.Name(message.phase)],
        message.loc,
        _read_choice(message.kernel) if message.HasField("kernel") else None,
    )
    for output, written in zip(node.outputs, message.overwrites, strict=False):
        output.overwrites = values[written - 1] if written else None
    return node


def _read_attr(message: pb.Attr) -> Any:
    kind = message.WhichOneof("kind")
    assert kind, "an attribute is empty"
    value = getattr(message, kind)
    return tuple(value.v) if kind in ("ints", "floats") else value


def _read_choice(message: pb.KernelChoice) -> KernelChoice:
    return KernelChoice(message.kernel, message.scratch_bytes, dict(message.tuning))


def _read_plan(message: pb.MemoryPlan, values: Sequence[Value]) -> MemoryPlan:
    assert message.alignment > 0, "a memory plan has no alignment"
    slots = tuple(_read_slots(message, values))
    return MemoryPlan(slots, message.arena_bytes, message.lower_bound, message.alignment, message.algorithm)


def _read_slots(message: pb.MemoryPlan, values: Sequence[Value]) -> Iterator[Slot]:
    for slot in message.slots:
        yield Slot(tuple(_pick(values, slot.values)), slot.first, slot.last, slot.size, slot.offset)


# ------------------------------------------------------------------ schemes


def scheme_fields(text: str) -> dict[str, Any]:
    """What a `SparseScheme` in text form says, by the names of its fields.

    Raises:
        ValueError: if it is none.
    """
    from google.protobuf import json_format, text_format

    from gradlet.proto import sparse_scheme_pb2

    try:
        message = text_format.Parse(text, sparse_scheme_pb2.SparseScheme())
    except text_format.ParseError as error:
        raise ValueError(str(error)) from error
    fields: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return fields
