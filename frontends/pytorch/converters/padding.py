"""Padding with a constant."""

from collections.abc import Sequence

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.converters.joining import slices
from gradlet.frontends.pytorch.tensor import Tensor


def pad(b: Builder, x: Operand, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`pad` has (before, after) of the last axis first; negative sizes cut off."""
    if mode != "constant":
        raise UnsupportedError(f"mode={mode!r}: only constant padding is supported")
    rank, result = len(x.shape), b.settled(x)
    sizes = {rank - 1 - k // 2: (pad[k], pad[k + 1]) for k in range(0, len(pad), 2)}
    for axis, (before, after) in sizes.items():
        result = slices(b, result, axis, max(0, -before), x.shape[axis] + min(0, after))
    grown = [[max(0, size) for size in sizes.get(axis, (0, 0))] for axis in result.order]
    if not any(map(any, grown)):
        return result
    added = {"before": tuple(size for size, _ in grown), "after": tuple(size for _, size in grown)}
    return b.laid(b("pad", result.value, **added, value=float(value or 0)), result.order)


CONVERTERS = {
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": lambda b, x, pad_, value=0: pad(b, x, pad_, "constant", value),
}
