"""Padding with a constant, or with elements of the tensor itself."""

from collections.abc import Sequence

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.converters.joining import slices
from gradlet.frontends.pytorch.tensor import Tensor
from gradlet.ir.graph import Role

# What numpy calls them.
_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(b: Builder, x: Operand, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`pad` has (before, after) of the last axis first; negative sizes cut off."""
    rank, result = len(x.shape), b.settled(x)
    sizes = {rank - 1 - k // 2: (pad[k], pad[k + 1]) for k in range(0, len(pad), 2)}
    for axis, (before, after) in sizes.items():
        result = slices(b, result, axis, max(0, -before), x.shape[axis] + min(0, after))
    grown = [[max(0, size) for size in sizes.get(axis, (0, 0))] for axis in result.order]
    if not any(map(any, grown)):
        return result
    if mode != "constant":
        return _gathered(b, result, grown, _MODES[mode])
    added = {"before": tuple(size for size, _ in grown), "after": tuple(size for _, size in grown)}
    return b.laid(b("pad", result.value, **added, value=float(value or 0)), result.order)


def _gathered(b: Builder, x: Tensor, grown: Sequence[Sequence[int]], mode: str) -> Tensor:
    """One axis after the other."""
    y = x.value
    for axis, amounts in enumerate(grown):
        if any(amounts):
            indices = np.pad(np.arange(y.type.shape[axis], dtype=np.int32), amounts, mode=mode)  # type: ignore[call-overload]
            y = b("gather", y, b.constant("indices", indices, Role.BUFFER), axis=axis)
    return b.laid(y, x.order)


CONVERTERS = {
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": lambda b, x, pad_, value=0: pad(b, x, pad_, "constant", value),
    **{
        f"aten.{name}_pad{dimensions}d.default": lambda b, x, pad_, mode=mode: pad(b, x, pad_, mode)
        for name, mode in (("reflection", "reflect"), ("replication", "replicate"))
        for dimensions in (1, 2, 3)
    },
}
