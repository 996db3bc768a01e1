from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Program(_message.Message):
    __slots__ = ("ir_version", "producer", "graph", "infer", "op_versions", "pipeline", "metadata", "weights_file", "complete")
    class OpVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    IR_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    INFER_FIELD_NUMBER: _ClassVar[int]
    OP_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FILE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ir_version: int
    producer: str
    graph: Graph
    infer: Graph
    op_versions: _containers.ScalarMap[str, int]
    pipeline: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    weights_file: str
    complete: bool
    def __init__(self, ir_version: _Optional[int] = ..., producer: _Optional[str] = ..., graph: _Optional[_Union[Graph, _Mapping]] = ..., infer: _Optional[_Union[Graph, _Mapping]] = ..., op_versions: _Optional[_Mapping[str, int]] = ..., pipeline: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., weights_file: _Optional[str] = ..., complete: bool = ...) -> None: ...

class Graph(_message.Message):
    __slots__ = ("name", "values", "inputs", "states", "nodes", "outputs", "memory")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedCompositeFieldContainer[Value]
    inputs: _containers.RepeatedScalarFieldContainer[int]
    states: _containers.RepeatedCompositeFieldContainer[State]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    memory: MemoryPlan
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[_Union[Value, _Mapping]]] = ..., inputs: _Optional[_Iterable[int]] = ..., states: _Optional[_Iterable[_Union[State, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., outputs: _Optional[_Iterable[int]] = ..., memory: _Optional[_Union[MemoryPlan, _Mapping]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: TensorType
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[TensorType, _Mapping]] = ...) -> None: ...

class TensorType(_message.Message):
    __slots__ = ("dtype", "shape", "quant")
    class DType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DTYPE_UNSPECIFIED: _ClassVar[TensorType.DType]
        F32: _ClassVar[TensorType.DType]
        F16: _ClassVar[TensorType.DType]
        BF16: _ClassVar[TensorType.DType]
        I8: _ClassVar[TensorType.DType]
        U8: _ClassVar[TensorType.DType]
        I16: _ClassVar[TensorType.DType]
        I32: _ClassVar[TensorType.DType]
        I64: _ClassVar[TensorType.DType]
        B1: _ClassVar[TensorType.DType]
    DTYPE_UNSPECIFIED: TensorType.DType
    F32: TensorType.DType
    F16: TensorType.DType
    BF16: TensorType.DType
    I8: TensorType.DType
    U8: TensorType.DType
    I16: TensorType.DType
    I32: TensorType.DType
    I64: TensorType.DType
    B1: TensorType.DType
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    QUANT_FIELD_NUMBER: _ClassVar[int]
    dtype: TensorType.DType
    shape: _containers.RepeatedScalarFieldContainer[int]
    quant: QuantParams
    def __init__(self, dtype: _Optional[_Union[TensorType.DType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., quant: _Optional[_Union[QuantParams, _Mapping]] = ...) -> None: ...

class QuantParams(_message.Message):
    __slots__ = ("scale", "zero_point", "axis")
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ZERO_POINT_FIELD_NUMBER: _ClassVar[int]
    AXIS_FIELD_NUMBER: _ClassVar[int]
    scale: _containers.RepeatedScalarFieldContainer[float]
    zero_point: _containers.RepeatedScalarFieldContainer[int]
    axis: int
    def __init__(self, scale: _Optional[_Iterable[float]] = ..., zero_point: _Optional[_Iterable[int]] = ..., axis: _Optional[int] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("value", "role", "trainable", "region", "source", "data")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[State.Role]
        PARAMETER: _ClassVar[State.Role]
        BUFFER: _ClassVar[State.Role]
        MOMENT: _ClassVar[State.Role]
        ACCUMULATOR: _ClassVar[State.Role]
        COUNTER: _ClassVar[State.Role]
    ROLE_UNSPECIFIED: State.Role
    PARAMETER: State.Role
    BUFFER: State.Role
    MOMENT: State.Role
    ACCUMULATOR: State.Role
    COUNTER: State.Role
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TRAINABLE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    value: int
    role: State.Role
    trainable: bool
    region: Region
    source: Source
    data: bytes
    def __init__(self, value: _Optional[int] = ..., role: _Optional[_Union[State.Role, str]] = ..., trainable: bool = ..., region: _Optional[_Union[Region, _Mapping]] = ..., source: _Optional[_Union[Source, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("axis", "begin", "end")
    AXIS_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    axis: int
    begin: int
    end: int
    def __init__(self, axis: _Optional[int] = ..., begin: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "shape", "view", "permutation", "orders", "rescale", "part")
    class Order(_message.Message):
        __slots__ = ("axis", "indices")
        AXIS_FIELD_NUMBER: _ClassVar[int]
        INDICES_FIELD_NUMBER: _ClassVar[int]
        axis: int
        indices: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, axis: _Optional[int] = ..., indices: _Optional[_Iterable[int]] = ...) -> None: ...
    class Rescale(_message.Message):
        __slots__ = ("axis", "scale", "shift")
        AXIS_FIELD_NUMBER: _ClassVar[int]
        SCALE_FIELD_NUMBER: _ClassVar[int]
        SHIFT_FIELD_NUMBER: _ClassVar[int]
        axis: int
        scale: _containers.RepeatedScalarFieldContainer[float]
        shift: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, axis: _Optional[int] = ..., scale: _Optional[_Iterable[float]] = ..., shift: _Optional[_Iterable[float]] = ...) -> None: ...
    class Part(_message.Message):
        __slots__ = ("axis", "begin", "end", "size")
        AXIS_FIELD_NUMBER: _ClassVar[int]
        BEGIN_FIELD_NUMBER: _ClassVar[int]
        END_FIELD_NUMBER: _ClassVar[int]
        SIZE_FIELD_NUMBER: _ClassVar[int]
        axis: int
        begin: int
        end: int
        size: int
        def __init__(self, axis: _Optional[int] = ..., begin: _Optional[int] = ..., end: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PERMUTATION_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    RESCALE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    view: _containers.RepeatedScalarFieldContainer[int]
    permutation: _containers.RepeatedScalarFieldContainer[int]
    orders: _containers.RepeatedCompositeFieldContainer[Source.Order]
    rescale: _containers.RepeatedCompositeFieldContainer[Source.Rescale]
    part: Source.Part
    def __init__(self, name: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., view: _Optional[_Iterable[int]] = ..., permutation: _Optional[_Iterable[int]] = ..., orders: _Optional[_Iterable[_Union[Source.Order, _Mapping]]] = ..., rescale: _Optional[_Iterable[_Union[Source.Rescale, _Mapping]]] = ..., part: _Optional[_Union[Source.Part, _Mapping]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("op", "inputs", "outputs", "attrs", "phase", "loc", "kernel", "overwrites")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PHASE_UNSPECIFIED: _ClassVar[Node.Phase]
        FORWARD: _ClassVar[Node.Phase]
        BACKWARD: _ClassVar[Node.Phase]
        UPDATE: _ClassVar[Node.Phase]
    PHASE_UNSPECIFIED: Node.Phase
    FORWARD: Node.Phase
    BACKWARD: Node.Phase
    UPDATE: Node.Phase
    class AttrsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Attr
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Attr, _Mapping]] = ...) -> None: ...
    OP_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ATTRS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    LOC_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    OVERWRITES_FIELD_NUMBER: _ClassVar[int]
    op: str
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    attrs: _containers.MessageMap[str, Attr]
    phase: Node.Phase
    loc: str
    kernel: KernelChoice
    overwrites: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, op: _Optional[str] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., attrs: _Optional[_Mapping[str, Attr]] = ..., phase: _Optional[_Union[Node.Phase, str]] = ..., loc: _Optional[str] = ..., kernel: _Optional[_Union[KernelChoice, _Mapping]] = ..., overwrites: _Optional[_Iterable[int]] = ...) -> None: ...

class Attr(_message.Message):
    __slots__ = ("i", "f", "s", "b", "ints", "floats")
    class Ints(_message.Message):
        __slots__ = ("v",)
        V_FIELD_NUMBER: _ClassVar[int]
        v: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, v: _Optional[_Iterable[int]] = ...) -> None: ...
    class Floats(_message.Message):
        __slots__ = ("v",)
        V_FIELD_NUMBER: _ClassVar[int]
        v: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, v: _Optional[_Iterable[float]] = ...) -> None: ...
    I_FIELD_NUMBER: _ClassVar[int]
    F_FIELD_NUMBER: _ClassVar[int]
    S_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    INTS_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    i: int
    f: float
    s: str
    b: bool
    ints: Attr.Ints
    floats: Attr.Floats
    def __init__(self, i: _Optional[int] = ..., f: _Optional[float] = ..., s: _Optional[str] = ..., b: bool = ..., ints: _Optional[_Union[Attr.Ints, _Mapping]] = ..., floats: _Optional[_Union[Attr.Floats, _Mapping]] = ...) -> None: ...

class MemoryPlan(_message.Message):
    __slots__ = ("slots", "arena_bytes", "lower_bound", "alignment", "algorithm")
    class Slot(_message.Message):
        __slots__ = ("values", "offset", "size", "first", "last")
        VALUES_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        SIZE_FIELD_NUMBER: _ClassVar[int]
        FIRST_FIELD_NUMBER: _ClassVar[int]
        LAST_FIELD_NUMBER: _ClassVar[int]
        values: _containers.RepeatedScalarFieldContainer[int]
        offset: int
        size: int
        first: int
        last: int
        def __init__(self, values: _Optional[_Iterable[int]] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    ARENA_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOWER_BOUND_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[MemoryPlan.Slot]
    arena_bytes: int
    lower_bound: int
    alignment: int
    algorithm: str
    def __init__(self, slots: _Optional[_Iterable[_Union[MemoryPlan.Slot, _Mapping]]] = ..., arena_bytes: _Optional[int] = ..., lower_bound: _Optional[int] = ..., alignment: _Optional[int] = ..., algorithm: _Optional[str] = ...) -> None: ...

class KernelChoice(_message.Message):
    __slots__ = ("kernel", "scratch_bytes", "tuning")
    class TuningEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    TUNING_FIELD_NUMBER: _ClassVar[int]
    kernel: str
    scratch_bytes: int
    tuning: _containers.ScalarMap[str, int]
    def __init__(self, kernel: _Optional[str] = ..., scratch_bytes: _Optional[int] = ..., tuning: _Optional[_Mapping[str, int]] = ...) -> None: ...
