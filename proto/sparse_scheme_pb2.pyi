from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SparseScheme(_message.Message):
    __slots__ = ("updates", "head", "criterion", "seed")
    class Update(_message.Message):
        __slots__ = ("layers", "pattern", "last", "weight", "bias", "criterion")
        LAYERS_FIELD_NUMBER: _ClassVar[int]
        PATTERN_FIELD_NUMBER: _ClassVar[int]
        LAST_FIELD_NUMBER: _ClassVar[int]
        WEIGHT_FIELD_NUMBER: _ClassVar[int]
        BIAS_FIELD_NUMBER: _ClassVar[int]
        CRITERION_FIELD_NUMBER: _ClassVar[int]
        layers: _containers.RepeatedScalarFieldContainer[int]
        pattern: str
        last: int
        weight: float
        bias: bool
        criterion: str
        def __init__(self, layers: _Optional[_Iterable[int]] = ..., pattern: _Optional[str] = ..., last: _Optional[int] = ..., weight: _Optional[float] = ..., bias: bool = ..., criterion: _Optional[str] = ...) -> None: ...
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CRITERION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[SparseScheme.Update]
    head: bool
    criterion: str
    seed: int
    def __init__(self, updates: _Optional[_Iterable[_Union[SparseScheme.Update, _Mapping]]] = ..., head: bool = ..., criterion: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...
