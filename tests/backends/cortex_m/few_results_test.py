"""Convolutions and dense layers with few results in a row, which meet weights as they lie: all lengths of sums."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, Sampler
from gradlet.ir.program import Program
from gradlet.ir.quantized_samples import i8
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.targets.stm32f746 import TARGET as STM32F746
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import TOOLBOX

# With room for all examples of an op at once.
M7 = replace(STM32F746, sram=Memory(STM32F746.sram.base, 4 << 20), flash=Memory(STM32F746.flash.base, 4 << 20))
QUANT = {
    DType.I8: {"x_zero": -7, "y_zero": 5, "y_scale": 0.05},
    DType.I16: {"bits": 16, "x_zero": 0, "y_zero": 0, "y_scale": 0.05},
}
ROUNDINGS = ("float", "double_rounding", "single_rounding")
# Steps of 4 terms, of 16 where the host takes lanes, and of 508, which int32 holds of int16.
TERMS = [*range(1, 10), 16, 19, 20, 31, 36, 507, 508, 509, 512, 519, 1016, 1021]
POINT = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
WINDOWS = [
    ((2, 2), (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    ((3, 3), (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 2}),
    ((4, 7), (2, 3), {"strides": (2, 3), "padding": (1, 0, 0, 1)}),
    ((2, 5), (3, 2), {"strides": (1, 1), "padding": (1, 1, 1, 0), "dilation": (1, 2)}),
    ((1, 17), (1, 1), POINT),
    ((1, 21), (1, 3), {"strides": (1, 1), "padding": (0, 1, 0, 1)}),
]

Use = tuple[Sequence[TensorType], Attrs]


def constants(channels: int, rounding: str = "float") -> list[TensorType]:
    return [i32(channels), f32(channels), *([] if rounding == "float" else [i32(channels, 2)])]


def qdense(dtype: DType) -> Iterator[Use]:
    for number, (rows, terms) in enumerate(product((1, 2, 3, 5), TERMS)):
        out, rounding = 1 + number % 5, ROUNDINGS[number % 3] if dtype is DType.I8 else "float"
        types = [TensorType(dtype, (rows, terms)), i8(out, terms), *constants(out, rounding)]
        named = {"mask": number % 2 == 1} | ({"rounding": rounding} if dtype is DType.I8 else {})
        yield types, QUANT[dtype] | named


def qconv2d(dtype: DType) -> Iterator[Use]:
    for (size, kernel, attrs), channels, out in product(WINDOWS, (4, 10, 14), (2, 6)):
        depth = channels // attrs.get("groups", 1)
        for cuts in ((), (1,), (depth // 2,), (1, depth - 1)):
            bounds = sorted({0, *cuts, depth})
            weights = [i8(out, *kernel, end - begin) for begin, end in pairwise(bounds)]
            named = attrs | QUANT[dtype] | {"parts": len(weights), "mask": out == 6}
            yield [TensorType(dtype, (2, *size, channels)), *weights, *constants(out)], named


def whole_range(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [drawn(t, rng, np.iinfo(np.int16).max) for t in types]


def extreme(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """The largest products, of either sign, with a few that are small."""
    return [lowest(t, rng) if t.dtype in (DType.I8, DType.I16) else drawn(t, rng, 2**31 - 1) for t in types]


def lowest(t: TensorType, rng: np.random.Generator) -> np.ndarray:
    ends = np.iinfo(t.dtype.numpy)
    end = rng.choice([ends.min, ends.max])
    return np.where(rng.random(t.shape) < 0.02, -1, end).astype(t.dtype.numpy)


def drawn(t: TensorType, rng: np.random.Generator, bias: int) -> np.ndarray:
    scale = 10.0 ** rng.uniform(-8, -1, t.shape)
    if t.dtype is DType.F32:
        return scale.astype(np.float32)
    if t.dtype is DType.I32:
        is_multiplier = t.shape[1:] == (2,)
        return quantize_multipliers(scale[:, 0]) if is_multiplier else rng.integers(-bias, bias, t.shape, np.int32)
    ends = np.iinfo(t.dtype.numpy)
    return rng.integers(ends.min, ends.max, t.shape, t.dtype.numpy, endpoint=True)


@pytest.mark.parametrize("target", [HOST, M7], ids=lambda target: target.name)
@pytest.mark.parametrize("sample", [whole_range, extreme], ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("dtype", QUANT, ids=lambda dtype: dtype.value)
@pytest.mark.parametrize("uses", [qdense, qconv2d], ids=lambda uses: uses.__name__)
def test_few_results_are_those_of_numpy(uses, dtype: DType, sample: Sampler, target):
    op = TOOLBOX.ops[uses.__name__]
    bench = Bench(replace(op, examples=[Example(*use, sample=sample) for use in uses(dtype)]))
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    bench.run(session)
    session.close()
