"""Samples as the input of a program wants them: resized, cropped, normalised, quantised, once for all epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Value
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams
from gradlet.tools.datasets import Dataset, Split
from gradlet.tools.pictures import cropped, opened

# Inputs that a loss adds: all others are the model's.
TARGETS = ("label", "target")
_BLOCK = 256  # samples converted at a time: their floats are larger than what is kept of them
_SHARE = 128 / 147


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of pixels (uint8); other numbers are values already.

    Attributes:
        crop: Side of the centre that is kept, as a share of the short side, where a picture is not of the model's size.
        mean: Of pixels / 255, one or one for each channel; None takes 0 for a float input and 0.5 for a quantised one,
            unless the model says it: `completed`.
        std: The same; None takes 1 for a float input and 0.5 for a quantised one.
    """

    crop: float = _SHARE
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise CompileError("GL212", f"a crop of {self.crop}", hint="give a share from 0 to 1")
        if not np.all(np.isfinite(self.mean or 0)) or not np.all(np.array(self.std or 1) > 0):
            what = f"pixels of mean {self.mean}, deviation {self.std}"
            raise CompileError("GL212", what, hint="give finite numbers; deviations are greater than 0")

    def table(self, value: Value) -> np.ndarray:
        """`[256, 1 or channels]`: what each pixel becomes, in the element type of an input."""
        quant, channels = value.type.quant, value.type.shape[-1]
        mean = np.array(self.mean or ((0.5,) if quant else (0.0,)))
        std = np.array(self.std or ((0.5,) if quant else (1.0,)))
        for numbers in (mean, std):
            if numbers.size not in (1, channels):
                what = f"{numbers.size} numbers to normalise the {channels} channels of {value}"
                raise CompileError("GL411", what, hint="give one number, or one for each channel")
        scale, zero = (quant.scale[0], quant.zero_point[0]) if quant else (1.0, 0)
        # In this order and precision the reference's (p / 255 - 0.5) * 255 comes out bit for bit.
        pixels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
        real = (pixels - mean.astype(np.float32)) * (1 / (std * scale)).astype(np.float32)
        return _stored(real, zero, value.type.dtype) if quant else real.astype(value.type.dtype.numpy)


DEFAULT = Preprocessing()


def completed(chosen: Preprocessing, program: Program) -> Preprocessing:
    """With the normalisation that the model brings in its metadata (of pixels from 0 to 255), where none is chosen.

    Raises:
        CompileError: GL212 if these are no numbers to normalise with.
    """
    inputs = _samples_of(program.graph)
    texts = {key: program.metadata.get(f"input.{v.name}.{key}") for v in inputs[:1] for key in ("mean", "std")}
    try:
        told = {key: tuple(float(number) / 255 for number in text.split(",")) for key, text in texts.items() if text}
    except ValueError as error:
        raise CompileError("GL212", f"{program.name} is normalised with {texts}", hint="give --mean, --std") from error
    return replace(chosen, mean=chosen.mean or told.get("mean"), std=chosen.std or told.get("std"))


def prepare(
    data: Dataset,
    program: Program,
    preprocessing: Preprocessing = DEFAULT,
    progress: Callable[[int], None] = lambda count: None,
) -> Dataset:
    """Both splits, fitted to the training step; `fit` leaves them as they are then."""
    graph, told = program.graph, completed(preprocessing, program)
    train, test = (fit(split, graph, told, progress) for split in (data.train, data.test))
    return Dataset(train, test, data.classes)


def fit(
    split: Split,
    graph: Graph,
    preprocessing: Preprocessing = DEFAULT,
    progress: Callable[[int], None] = lambda count: None,
) -> Split:
    """The samples in the layout and element types of the inputs of a graph.

    Raises:
        CompileError: GL411 if the shapes do not agree, GL410 for an image that cannot be read.
    """
    inputs = _samples_of(graph)
    targets = [v for v in graph.inputs if v.name in TARGETS]
    if len(inputs) != 1:
        names = ", ".join(map(str, inputs))
        raise CompileError("GL411", f"{graph.name} has the inputs {names}; a data set feeds one", hint="use the API")
    fitted = _as_input(split.inputs, inputs[0], preprocessing, progress)
    return Split(fitted, _as_target(split.targets, targets[0]) if targets else split.targets)


def _samples_of(graph: Graph) -> list[Value]:
    return [v for v in graph.inputs if v.type.shape and v.name not in TARGETS]


def _as_input(
    samples: np.ndarray, value: Value, preprocessing: Preprocessing, progress: Callable[[int], None]
) -> np.ndarray:
    shape, dtype = value.type.shape[1:], value.type.dtype
    if samples.dtype == object:
        return _from_pictures(samples, value, preprocessing, progress)
    found = laid_out(samples, shape)
    if found is None and samples.dtype == np.uint8 and len(shape) == 3 and samples.ndim in (3, 4):
        return _from_pictures(_channels_last(samples), value, preprocessing, progress)
    if found is None:
        what = f"samples of shape {list(samples.shape[1:])} do not fit {value}, which wants {list(shape)}"
        raise CompileError("GL411", what, hint="resize the images, or compile the model for their size")
    if samples.dtype == np.uint8 and dtype is not DType.U8:
        return _by_blocks(found, value, lambda block: _looked_up(preprocessing.table(value), block))
    if samples.dtype.kind == "f" and value.type.quant:
        quant = value.type.quant
        return _by_blocks(found, value, lambda block: _quantised(block, quant, dtype))
    if not dtype.is_float:
        _check_range(found, value)
    return np.ascontiguousarray(found, dtype.numpy)


def _from_pictures(
    samples: Any, value: Value, preprocessing: Preprocessing, progress: Callable[[int], None]
) -> np.ndarray:
    """Pictures of any size, each resized, cropped and converted."""
    shape = value.type.shape[1:]
    if len(shape) != 3 or shape[2] not in (1, 3):
        what = f"{value} wants {list(shape)}, which no picture has"
        raise CompileError("GL411", what, hint="images go to an input [batch, height, width, 1 or 3]")
    table = preprocessing.table(value)
    found = np.empty((len(samples), *shape), value.type.dtype.numpy)
    for index, sample in enumerate(samples):
        pixels = cropped(opened(sample, shape[2], f"sample {index}"), shape[:2], preprocessing.crop)
        found[index] = pixels if value.type.dtype is DType.U8 else _looked_up(table, pixels)
        progress(1)
    return found


def _looked_up(table: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    if table.shape[1] == 1:
        return table[:, 0][pixels]
    return np.stack([table[:, c][pixels[..., c]] for c in range(table.shape[1])], axis=-1)


def _quantised(values: np.ndarray, quant: QuantParams, dtype: DType) -> np.ndarray:
    return _stored(values.astype(np.float32) / np.float32(quant.scale[0]), quant.zero_point[0], dtype)


def _stored(quotient: np.ndarray, zero: int, dtype: DType) -> np.ndarray:
    """real / scale, as the integers of a type."""
    limits = np.iinfo(dtype.value)
    return np.clip(np.rint(quotient) + zero, limits.min, limits.max).astype(dtype.numpy)


def _by_blocks(samples: np.ndarray, value: Value, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    found = np.empty(samples.shape, value.type.dtype.numpy)
    for start in range(0, len(samples), _BLOCK):
        found[start : start + _BLOCK] = convert(samples[start : start + _BLOCK])
    return found


def _check_range(samples: np.ndarray, value: Value) -> None:
    """Raises GL411 unless the numbers are integers that the element type of an input has."""
    limits = np.iinfo(value.type.dtype.value) if value.type.dtype is not DType.B1 else None
    low, high = (int(samples.min(initial=0)), int(samples.max(initial=0))) if samples.dtype.kind in "iu" else (0, 0)
    if samples.dtype.kind == "f" or (limits and (low < limits.min or high > limits.max)):
        what = f"samples are {samples.dtype} from {samples.min():g} to {samples.max():g}, {value} takes {value.type}"
        raise CompileError("GL411", what, hint="give pixels as uint8, real values as float32, or what the input stores")


def _channels_last(samples: np.ndarray) -> np.ndarray:
    first = samples.ndim == 4 and samples.shape[-1] not in (1, 3) and samples.shape[1] in (1, 3)
    return np.moveaxis(samples, 1, -1) if first else samples


def laid_out(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The samples with this shape each: as they are, with an axis for one channel, or with the channels put last."""
    if samples.shape[1:] == shape:
        return samples
    if (*samples.shape[1:], 1) == shape:
        return samples[..., None]
    moved = np.moveaxis(samples, 1, -1) if samples.ndim == 4 else samples
    return moved if moved.shape[1:] == shape else None


def _as_target(targets: np.ndarray, value: Value) -> np.ndarray:
    found = laid_out(targets, value.type.shape[1:])
    if found is None:
        what = f"targets of shape {list(targets.shape[1:])} do not fit {value}: {value.type}"
        raise CompileError("GL411", what, hint="one target for each sample")
    return np.ascontiguousarray(found, value.type.dtype.numpy)
