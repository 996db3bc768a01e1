"""From a case to a TensorIR function whose parameters are the memory of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.kernel import Buffer, Case, Kernel
from gradlet.backends.tvm.masks import pack_bits, read_bits
from gradlet.backends.tvm.package import s_tir, te, tirx, tvm, tvm_ffi
from gradlet.backends.tvm.scratch import ALIGNMENT, Piece, element_bytes, pieces, take_out
from gradlet.ir.tensor_type import DType


@dataclass(frozen=True)
class Function:
    """A function, and the working memory that it takes.

    Attributes:
        prim: TensorIR; its parameters are `parameters(case)`, in that order, then one for each piece of scratch.
    """

    prim: Any
    scratch: tuple[Piece, ...]

    @property
    def name(self) -> str:
        return str(self.prim.attrs["global_symbol"])

    @property
    def scratch_bytes(self) -> int:
        return self.scratch[-1].end if self.scratch else 0


def make_function(kernel: Kernel, case: Case, name: str) -> Function:
    """The function of a case, as `name`."""
    placeholders = [te.placeholder(_stored_shape(b), _stored_dtype(b), f"x{i}") for i, b in enumerate(case.operands)]
    reads = [
        read_bits(x, b.type.shape) if b.type.dtype is DType.B1 else x
        for x, b in zip(placeholders, case.operands, strict=True)
    ]
    results = list(kernel.compute(case, *reads))
    assert len(results) == len(case.results), f"{case.op}: {len(results)} results, not {len(case.results)}"
    tensors = [_tensor(r, b, case) for r, b in zip(results, case.results, strict=True)]
    order = _writing_order(case)
    prim = te.create_prim_func([*placeholders, *(tensors[k] for k in order)])
    if kernel.schedule:
        schedule = s_tir.Schedule(prim)
        kernel.schedule(schedule, case)
        prim = schedule.mod["main"]
    prim, working = take_out(prim)
    buffers = [*case.operands, *(case.results[k] for k in order)]
    return Function(_with_memory(prim, buffers, working, case).with_attr("global_symbol", name), pieces(working))


def parameters(case: Case) -> list[int]:
    """Which of the case's buffers are parameters: one of those that share a place and a shape."""
    first: dict[Any, int] = {}
    for index, buffer in enumerate(case.buffers):
        first.setdefault(_identity(buffer), index)
    return list(first.values())


def _identity(buffer: Buffer) -> Any:
    return buffer.place, _stored_dtype(buffer), _stored_shape(buffer), buffer.strides


def _stored_shape(buffer: Buffer) -> tuple[int, ...]:
    return (buffer.type.bytes,) if buffer.type.dtype is DType.B1 else buffer.type.shape


def _stored_dtype(buffer: Buffer) -> str:
    return "uint8" if buffer.type.dtype is DType.B1 else buffer.type.dtype.value


def _tensor(result: Any, buffer: Buffer, case: Case) -> Any:
    tensor = pack_bits(result, buffer.type.shape) if buffer.type.dtype is DType.B1 else result
    made = str(tensor.dtype), tuple(int(n) for n in tensor.shape)
    wanted = _stored_dtype(buffer), _stored_shape(buffer)
    assert made == wanted, f"kernel of {case.op}: makes {made}, not {wanted}, for {case}"
    return tensor


def _writing_order(case: Case) -> list[int]:
    """Results in new memory first: those that replace an operand could take it from others that still read it."""
    taken = {b.place for b in case.operands}
    return sorted(range(len(case.results)), key=lambda k: case.results[k].place in taken)


def _with_memory(prim: Any, buffers: Sequence[Buffer], working: Sequence[Any], case: Case) -> Any:
    """Lets parameters of one memory be one parameter, so that the compiler may take all others for distinct."""
    old = list(prim.params)
    made: dict[Any, Any] = {}
    for parameter, buffer in zip(old, buffers, strict=True):
        declared = _stored_shape(buffer), _stored_dtype(buffer), parameter.name, buffer.strides
        made.setdefault(_identity(buffer), _declare(*declared))
    scratch = [_declare(b.shape, str(b.dtype), b.name) for b in working]
    renamed = list(zip([*old, *working], [*(made[_identity(b)] for b in buffers), *scratch], strict=True))

    def rename(variable: Any) -> Any:
        return next((new for before, new in renamed if variable.same_as(before)), variable)

    body = tvm_ffi.structural_map(prim.body, (tvm.ir.Var, rename))
    order = [made[_identity(case.buffers[index])] for index in parameters(case)]
    distinct = len({b.place for b in buffers}) == len(made)
    return tirx.PrimFunc([*order, *scratch], body, prim.ret_type, prim.attrs).with_attr("tirx.noalias", distinct)


def _declare(shape: Sequence[Any], dtype: str, name: str, strides: Sequence[int] = ()) -> Any:
    # Plans align for their device, not for the vectors of this machine.
    alignment = min(ALIGNMENT, element_bytes(dtype))
    return tirx.decl_buffer(shape, dtype, name, strides=strides or None, data_alignment=alignment)
