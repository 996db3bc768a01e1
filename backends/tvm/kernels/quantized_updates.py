"""quantized_sgd and master_sgd: quantised parameters learn where they lie, or follow a float copy of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.due import if_due
from gradlet.backends.tvm.epilogue import Operand
from gradlet.backends.tvm.exact import limited, product, real, saturating_sub
from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.masks import flat_index
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.random_words import random_words, word
from gradlet.ir.ops.quantized_sgd import FRACTION, LARGEST_STEP, draws
from gradlet.ir.quantized_updates import INT32_BOUND, UpdateOperands, operands
from gradlet.ir.tensor_type import DType
from gradlet.ir.updates import region

_LARGEST_WEIGHT = 127

Element = Callable[..., Any]


def _operands(case: Case, reads: Sequence[Read], first: int, stop: int | None = None) -> UpdateOperands[Operand]:
    given = [Operand(b, r) for b, r in zip(case.operands, reads, strict=True)][first:stop]
    return operands(given, lambda o: o.is_float)


def _step(case: Case, found: UpdateOperands[Operand], rated: bool = True) -> Element:
    """g * (lr * factor * unit), or without lr: a function of the indices."""

    def element(*i: Any) -> Any:
        c = found.factor(i[case.attrs["channel_axis"]])
        c = product(found.lr(), c) if rated else c
        c = c if found.unit is None else product(c, found.unit(1))
        return product(found.g(*i).astype("float32"), c)

    return element


def _with_decay(case: Case, found: UpdateOperands[Operand], d: Any, p: Any) -> Any:
    decay = case.attrs.get("weight_decay")
    return d + product(product(found.lr(), real(decay)), p.astype("float32")) if decay else d


def _nearest(x: Any, limit: float) -> Any:
    return tirx.nearbyint(limited(x, real(-limit), real(limit)))


def _quantized_sgd(case: Case, *reads: Read) -> Sequence[Result]:
    p, found, parameter = reads[0], _operands(case, reads, 1), case.operands[0].type
    step = _step(case, found)
    random = draws(parameter, case.attrs)
    micro = found.rest[1:] if random else found.rest
    noise = _random_bytes(case, found.rest[0].read) if random else lambda *i: FRACTION // 2

    def element(*i: Any) -> Any:
        d = _with_decay(case, found, step(*i), p(*i))
        moved = _moved_i32(p(*i), d) if parameter.dtype is DType.I32 else _moved_i8(case, p(*i), d, noise(*i))
        return if_due(case, micro, moved, p(*i))

    return [result(case, element)]


def _moved_i32(p: Any, d: Any) -> Any:
    return saturating_sub(p, _nearest(d, INT32_BOUND).astype("int32"))


def _moved_i8(case: Case, p: Any, d: Any, noise: Any) -> Any:
    n = _nearest(d * real(FRACTION), LARGEST_STEP).astype("int32")
    if case.attrs.get("bound"):
        most = round(FRACTION * case.attrs["bound"])
        n = tirx.max(tirx.min(n, most), -most)
    moved = tirx.shift_right(p.astype("int32") * FRACTION - n + noise, tirx.const(8, "int32"))
    return tirx.max(tirx.min(moved, _LARGEST_WEIGHT), -_LARGEST_WEIGHT).astype("int8")


def _random_bytes(case: Case, counter: Read) -> Element:
    """Four a word, the lowest first."""
    words, shape = random_words(case.attrs.get("seed", 0), counter), case.result.shape
    first = case.attrs.get("first_word", 0)

    def element(*i: Any) -> Any:
        k = flat_index(i, shape)
        byte = tirx.shift_right(words(first + k // 4), (k % 4 * 8).astype("uint64"))
        return tirx.bitwise_and(byte, word(255)).astype("int32")

    return element


def _master_sgd(case: Case, *reads: Read) -> Sequence[Result]:
    p, master, has_moment = reads[0], reads[1], "momentum" in case.attrs
    found = _operands(case, reads, 2, -1 if has_moment else None)
    moments = [_moment(case, found, reads[-1])] if has_moment else []
    step = _step(case, found)

    def copy(*i: Any) -> Any:
        d = product(found.lr(), moments[0](*i)) if moments else step(*i)
        return if_due(case, found.rest, master(*i) - _with_decay(case, found, d, master(*i)), master(*i))

    new_master = result(case, copy, 1)
    limit = _LARGEST_WEIGHT if case.result.dtype is DType.I8 else INT32_BOUND

    def parameter(*i: Any) -> Any:
        return if_due(case, found.rest, _nearest(new_master(*i), limit).astype(case.result.dtype.value), p(*i))

    return [result(case, parameter), new_master, *moments]


def _moment(case: Case, found: UpdateOperands[Operand], v: Read) -> Any:
    step, mu = _step(case, found, rated=False), real(case.attrs["momentum"])
    return result(case, lambda *i: if_due(case, found.rest, product(v(*i), mu) + step(*i), v(*i)), 2)


KERNELS = {
    "quantized_sgd": Kernel(_quantized_sgd, parts={0: region}),
    "master_sgd": Kernel(_master_sgd, parts={0: region}),
}
