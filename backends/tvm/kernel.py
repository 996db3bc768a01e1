"""What a kernel is: the op of a node as tensor expressions, and the schedule of their loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradlet.ir.graph import Attrs, Region
from gradlet.ir.tensor_type import TensorType

# An operand: called with indices, it gives the element there; masks (`b1`) give booleans.
Read = Callable[..., Any]
# A result: a tensor of `te.compute`; a mask may also be a function of the indices.
Result = Any


@dataclass(frozen=True)
class Buffer:
    """How a function sees an operand or a result.

    Attributes:
        type: Element type and shape; of the part that learns, where the kernel sees no more.
        place: Buffers of one place are the same memory.
        strides: In elements; empty when the elements lie without gaps.
    """

    type: TensorType
    place: int
    strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """What a function is built for; nodes with equal cases run the same function."""

    op: str
    operands: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    attributes: tuple[tuple[str, Any], ...] = ()
    tuning: tuple[tuple[str, int], ...] = ()

    @property
    def attrs(self) -> Attrs:
        return dict(self.attributes)

    def shape(self, operand: int) -> tuple[int, ...]:
        return self.operands[operand].type.shape

    @property
    def result(self) -> TensorType:
        """Type of the first result."""
        return self.results[0].type

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return self.operands + self.results


@dataclass(frozen=True)
class Kernel:
    """How an op is computed.

    Attributes:
        compute: `(case, *operands) -> results`. A result may share the memory of an operand, where the op allows it:
            it is written after all other results that do not depend on it, so each element of such an operand must be
            read by the expression of that very element only, or by stages that come before.
        schedule: Rearranges the loops that `compute` made; None leaves them.
        flat: Operands and results of one shape may be seen as vectors: the op knows no axes.
        parts: Operands of which an update sees only a part, by index, and what tells which part (None: all) from the
            attributes; the results that take their place are seen in the same way.
        view: The result has the bytes of the operand: nothing runs where they share their memory.
        unused: Attributes that change nothing about the function.
    """

    compute: Callable[..., Sequence[Result]]
    schedule: Callable[[Any, Case], None] | None = None
    flat: bool = False
    parts: Mapping[int, Callable[[Attrs], Region | None]] = field(default_factory=dict, compare=False)
    view: bool = False
    unused: tuple[str, ...] = ()


def flattened(case: Case) -> Case:
    """The case with vectors for tensors of one shape, if there are but those and scalars."""
    shape = case.result.shape
    if any(b.type.shape not in (shape, ()) or b.strides for b in case.buffers):
        return case

    def flat(buffer: Buffer) -> Buffer:
        sizes = (buffer.type.size,) if buffer.type.shape else ()
        return replace(buffer, type=buffer.type.with_shape(*sizes))

    return replace(case, operands=tuple(map(flat, case.operands)), results=tuple(map(flat, case.results)))
