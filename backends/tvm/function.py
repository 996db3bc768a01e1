"""From a case to a TensorIR function whose parameters are the memory of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Buffer, Case, Kernel
from gradlet.backends.tvm.masks import pack_bits, read_bits
from gradlet.backends.tvm.package import s_tir, te, tirx, tvm, tvm_ffi
from gradlet.ir.tensor_type import DType

# Bytes. Plans align for their device, not for this machine's vectors.
_ALIGNMENT = 4


def make_function(kernel: Kernel, case: Case, name: str) -> Any:
    """The function of a case; it takes the memory of `parameters(case)`, in that order."""
    placeholders = [te.placeholder(_stored_shape(b), _stored_dtype(b), f"x{i}") for i, b in enumerate(case.operands)]
    reads = [
        read_bits(x, b.type.shape) if b.type.dtype is DType.B1 else x
        for x, b in zip(placeholders, case.operands, strict=True)
    ]
    results = list(kernel.compute(case, *reads))
    assert len(results) == len(case.results), f"{case.op}: {len(results)} results, not {len(case.results)}"
    tensors = [_tensor(r, b, case) for r, b in zip(results, case.results, strict=True)]
    order = _writing_order(case)
    function = te.create_prim_func([*placeholders, *(tensors[k] for k in order)])
    if kernel.schedule:
        schedule = s_tir.Schedule(function)
        kernel.schedule(schedule, case)
        function = schedule.mod["main"]
    buffers = [*case.operands, *(case.results[k] for k in order)]
    return _with_memory(function, buffers, case).with_attr("global_symbol", name)


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


def _with_memory(function: Any, buffers: Sequence[Buffer], case: Case) -> Any:
    """Lets parameters of one memory be one parameter, so that the compiler may take all others for distinct."""
    old = list(function.params)
    made: dict[Any, Any] = {}
    new = []
    for parameter, buffer in zip(old, buffers, strict=True):
        key = _identity(buffer)
        if key not in made:
            made[key] = _declare(parameter.name, buffer)
        new.append(made[key])

    def renamed(variable: Any) -> Any:
        return next((n for o, n in zip(old, new, strict=True) if variable.same_as(o)), variable)

    body = tvm_ffi.structural_map(function.body, (tvm.ir.Var, renamed))
    order = [made[_identity(case.buffers[index])] for index in parameters(case)]
    distinct = len({b.place for b in buffers}) == len(made)
    return tirx.PrimFunc(order, body, function.ret_type, function.attrs).with_attr("tirx.noalias", distinct)


def _declare(name: str, buffer: Buffer) -> Any:
    return tirx.decl_buffer(
        _stored_shape(buffer),
        _stored_dtype(buffer),
        name,
        strides=buffer.strides or None,
        data_alignment=min(_ALIGNMENT, max(1, buffer.type.dtype.bits // 8)),
    )
