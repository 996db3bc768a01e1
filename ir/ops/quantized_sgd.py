"""quantized_sgd(p, g, range?, lr, factor, counter?, micro?): an int8 weight or int32 bias learns in place."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.gradient_epilogue import within
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.quantized_samples import i8, with_scalars
from gradlet.ir.quantized_updates import INT32_BOUND, check_rest, check_update, decay, operands, step
from gradlet.ir.random_bits import random_bits
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.ir.updates import index_of, is_due, region

# Steps of an int8 weight are counted in 256ths.
FRACTION = 256
LARGEST_STEP = 2.0**30
ROUNDINGS = ("stochastic", "nearest")


def draws(p: TensorType | np.ndarray, attrs: Attrs) -> bool:
    """Whether the update needs random numbers."""
    is_i8 = p.dtype in (DType.I8, np.dtype(np.int8))
    return is_i8 and attrs.get("rounding", ROUNDINGS[0]) == ROUNDINGS[0]


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    if not types:
        raise ValueError("has no operands")
    p, *given = types
    if attrs.get("rounding", ROUNDINGS[0]) not in ROUNDINGS:
        raise ValueError(f"rounding {attrs['rounding']!r} is none of {', '.join(ROUNDINGS)}")
    found = check_update(p, given, attrs, optional=2)
    check_rest(found.rest, attrs, counters=int(draws(p, attrs)))
    return [p]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    p, *given = args
    found = operands(given, lambda a: a.dtype.kind == "f")
    counter, micro = (found.rest[:1], found.rest[1:]) if draws(p, attrs) else ([], found.rest)
    if not is_due(micro, attrs):
        return [p]
    part, updated = index_of(region(attrs), p), p.copy()
    d = step(found, attrs, found.lr)
    if attrs.get("weight_decay"):
        d = d + decay(found, attrs, p[part])
    updated[part] = _moved_i32(p[part], d) if p.dtype == np.int32 else _moved_i8(p[part], d, attrs, counter)
    return [updated]


def _moved_i32(p: np.ndarray, d: np.ndarray) -> np.ndarray:
    n = np.rint(within(d, INT32_BOUND)).astype(np.int64)
    moved: np.ndarray = np.clip(p.astype(np.int64) - n, -(2**31), 2**31 - 1)
    return moved


def _moved_i8(p: np.ndarray, d: np.ndarray, attrs: Attrs, counter: Sequence[np.ndarray]) -> np.ndarray:
    n = np.rint(within(d * d.dtype.type(FRACTION), LARGEST_STEP)).astype(np.int64)
    if attrs.get("bound"):
        most = round(FRACTION * attrs["bound"])
        n = np.clip(n, -most, most)
    r = _random_bytes(attrs, int(counter[0]), p.shape) if counter else FRACTION // 2
    moved: np.ndarray = np.clip((FRACTION * p.astype(np.int64) - n + r) >> 8, -127, 127)
    return moved


def _random_bytes(attrs: Attrs, counter: int, shape: tuple[int, ...]) -> np.ndarray:
    """Four a word, the lowest first."""
    size = int(np.prod(shape))
    words = random_bits(attrs.get("seed", 0), counter, -(-size // 4), attrs.get("first_word", 0))
    drawn = (words[:, None] >> (np.arange(4, dtype=np.uint32) * np.uint32(8))) & np.uint32(255)
    numbers: np.ndarray = drawn.reshape(-1)[:size].reshape(shape).astype(np.int64)
    return numbers


OHWI = {"channel_axis": 0, "seed": 7}
HWC = {"channel_axis": 2, "seed": -1}
NEAREST = {"rounding": "nearest", "channel_axis": 0}
PART = {"axis": 3, "begin": 0, "end": 2}

QUANTIZED_SGD = OpDef(
    name="quantized_sgd",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0},
    examples=[
        Example([i8(4, 3, 3, 3), f32(4, 3, 3, 3), f32(), f32(4), i32()], OHWI, with_scalars(0.5, 3), ()),
        Example([i8(4, 1, 1, 5), i32(4, 1, 1, 5), f32(2), f32(), f32(4), i32()], OHWI, with_scalars(0.001, 9), ()),
        Example(
            [i8(4, 1, 1, 5), i32(4, 1, 1, 2), f32(2), f32(), f32(4), i32()], OHWI | PART, with_scalars(0.001, -5), ()
        ),
        Example([i8(3, 3, 7), i32(3, 3, 7), f32(2), f32(), f32(7), i32()], HWC, with_scalars(0.001, 0), ()),
        Example(
            [i8(3, 3, 7), f32(3, 3, 4), f32(), f32(4), i32()],
            HWC | {"axis": 2, "begin": 3, "end": 7},
            with_scalars(2.0, 1),
            (),
        ),
        # The second of two updates of one weight, which draws on where the first ends.
        Example(
            [i8(7, 2, 2, 3), i32(3, 2, 2, 3), f32(2), f32(), f32(3), i32()],
            OHWI | {"axis": 0, "begin": 4, "end": 7, "first_word": 12},
            with_scalars(0.001, 8),
            (),
        ),
        Example([i8(5, 6), f32(5, 6), f32(), f32(5)], NEAREST | {"bound": 0.5}, with_scalars(0.5), ()),
        Example([i8(5, 6), f32(5, 6), f32(), f32(5)], NEAREST | {"weight_decay": 0.01}, with_scalars(0.5), ()),
        Example([i8(5, 6), f32(5, 6), f32(), f32(5), i32(), i32()], OHWI | {"every": 4}, with_scalars(0.5, 2, 7), ()),
        Example([i8(5, 6), f32(5, 6), f32(), f32(5), i32(), i32()], OHWI | {"every": 4}, with_scalars(0.5, 2, 5), ()),
        Example([i32(6), i32(6), f32(2), f32(), f32(6)], {"channel_axis": 0}, with_scalars(0.3), ()),
        Example([i32(6), f32(6), f32(), f32(6)], {"channel_axis": 0, "weight_decay": 0.1}, with_scalars(30.0), ()),
    ],
)

OPS = (QUANTIZED_SGD,)
