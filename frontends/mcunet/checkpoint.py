"""The network that a checkpoint describes, as frozen data; everything about it is checked here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.frontends.mcunet.container import read_pickle
from gradlet.frontends.mcunet.pickled import PickledArray, unpickled
from gradlet.ir.errors import CompileError

MAX_RESOLUTION = 4096
_MAX_KERNEL, _MAX_STRIDE = 31, 8
# So that products of scales are numbers, in float32 as well.
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-15, 1e15
# What grows by one may not leap over all of int8.
_MAX_RATIO = 256.0
_HINT = "download the checkpoint anew, or mend what wrote it"


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero)."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Activation:
    """What one layer makes and the next reads."""

    channels: int
    quantization: Quantization

    def __str__(self) -> str:
        q = self.quantization
        return f"{self.channels} channels of scale {q.scale} and zero point {q.zero}"


@dataclass(frozen=True, eq=False)
class Convolution:
    """An int8 convolution; its padding is half its kernel.

    Attributes:
        place: `blocks.3.depthwise`.
        weight: int8, OIHW.
        bias: int32[O], of scale `x.scale * weight_scales[o]`.
        weight_scales: float64[O].
        x: What it reads.
        y: What it makes.
        stride: Along both axes.
        is_depthwise: Whether it filters each channel alone.
    """

    place: str
    weight: np.ndarray
    bias: np.ndarray
    weight_scales: np.ndarray
    x: Quantization
    y: Quantization
    stride: int
    is_depthwise: bool

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[0 if self.is_depthwise else 1])

    @property
    def result(self) -> Activation:
        return Activation(len(self.weight), self.y)

    @property
    def ratios(self) -> np.ndarray:
        """What the sums are multiplied by, float64[O]."""
        return self.x.scale * self.weight_scales / self.y.scale


@dataclass(frozen=True)
class Block:
    """Convolutions, and what their result added to the block's input is quantised with, if it is."""

    place: str
    convolutions: tuple[Convolution, ...]
    residual: Quantization | None

    @property
    def result(self) -> Activation:
        last = self.convolutions[-1].result
        return Activation(last.channels, self.residual or last.quantization)


@dataclass(frozen=True)
class Network:
    """Blocks between the image and the pooled features; `classifier` makes logits of these."""

    blocks: tuple[Block, ...]
    classifier: Convolution
    resolution: int


def read(path: Path) -> Network:
    """The network in a file.

    Raises:
        CompileError: GL101, GL114 and GL115 for files that hold none, GL116 for one that does not fit together.
    """
    return network(unpickled(read_pickle(path)))


def network(content: Any) -> Network:
    """The network that unpickled dicts describe."""
    root = _dict(content, "the checkpoint")
    if root.get("feature_mix") is not None:
        raise _unsupported("a convolution after the blocks (feature_mix)", "feature_mix")
    first = _convolution(_entry(root, "first_conv", ""), "first_conv", None)
    resolution = _integer(_entry(root, "first_conv", ""), "in_shape", "first_conv", 1, MAX_RESOLUTION)
    blocks = [Block("", (first,), None)]
    listed = _entry(root, "blocks", "")
    if type(listed) is not list:
        raise _inconsistent("blocks is no list")
    for index, entry in enumerate(listed):
        place = f"blocks.{index}"
        blocks.append(_block(_dict(entry, place), place, blocks[-1].result))
    classifier = _convolution(_entry(root, "classifier", ""), "classifier", blocks[-1].result)
    if classifier.weight.shape[2:] != (1, 1) or classifier.is_depthwise:
        raise _inconsistent("the classifier is no 1x1 convolution", "classifier")
    return Network(tuple(blocks), classifier, resolution)


def _block(entry: dict[str, Any], place: str, x: Activation) -> Block:
    if entry.get("se") is not None:
        raise _unsupported("squeeze-and-excite", f"{place}.se")
    found = tuple(_convolutions(entry, place, x))
    if not found:
        raise _inconsistent("the block has no convolution", place)
    if entry.get("residual") is None:
        return Block(place, found, None)
    params = _dict(_entry(_dict(entry["residual"], f"{place}.residual"), "params", place), f"{place}.residual")
    skip, y = (_quantization(params, which, f"{place}.residual") for which in "xy")
    _check_read(Activation(x.channels, skip), x, f"{place}.residual")
    if any(conv.stride != 1 for conv in found) or found[-1].result.channels != x.channels:
        raise _inconsistent("its input cannot be added: the shape changes in between", f"{place}.residual")
    if max(skip.scale, found[-1].y.scale) / y.scale >= _MAX_RATIO:
        raise _inconsistent("the scales of what is added are too large for that of the sum", f"{place}.residual")
    return Block(place, found, y)


def _convolutions(entry: dict[str, Any], place: str, x: Activation) -> Iterator[Convolution]:
    for name in ("pointwise1", "depthwise", "pointwise2"):
        if entry.get(name) is not None:
            conv = _convolution(entry[name], f"{place}.{name}", x)
            yield conv
            x = conv.result


def _convolution(entry: Any, place: str, reads: Activation | None) -> Convolution:
    params = _dict(_entry(_dict(entry, place), "params", place), f"{place}.params")
    weight = _array(params, "weight", place, np.dtype(np.int8), 4)
    outputs, inputs, *kernel = weight.shape
    groups = _integer(entry, "groups", place, 1, outputs)
    if groups not in (1, outputs) or (groups > 1 and inputs != 1):
        raise _inconsistent(f"{groups} groups of {inputs} channels for {outputs} outputs", place)
    if any(k % 2 == 0 or k > _MAX_KERNEL for k in kernel):
        raise _inconsistent(f"a kernel of {kernel}, not odd numbers up to {_MAX_KERNEL}", place)
    told = {"in_channel": inputs * groups, "out_channel": outputs, "kernel_size": tuple(kernel)}
    for key, size in told.items():
        if _entry(entry, key, place) != size:
            raise _inconsistent(f"{key} is not {size}, as the weight of {list(weight.shape)} has it", place)
    conv = Convolution(
        place,
        weight,
        _array(params, "bias", place, np.dtype(np.int32), 1),
        _array(params, "w_scales", place, np.dtype(np.float32), 1).astype(np.float64),
        _quantization(params, "x", place),
        _quantization(params, "y", place),
        _integer(entry, "stride", place, 1, _MAX_STRIDE),
        groups > 1,
    )
    _check_scales(conv)
    if reads:
        _check_read(Activation(conv.inputs, conv.x), reads, place)
    return conv


# Single entries.


def _dict(value: Any, place: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise _inconsistent(f"a dict is expected, not a {type(value).__name__}", place)
    return value


def _entry(entry: dict[str, Any], key: str, place: str) -> Any:
    if key not in entry:
        raise _inconsistent(f"{key} is missing", place)
    return entry[key]


def _integer(entry: dict[str, Any], key: str, place: str, least: int, most: int) -> int:
    value = _entry(entry, key, place)
    if type(value) is not int or not least <= value <= most:
        raise _inconsistent(f"{key} is no integer from {least} to {most}", place)
    return value


def _array(params: dict[str, Any], key: str, place: str, dtype: np.dtype, axes: int) -> np.ndarray:
    value = _entry(params, key, place)
    array = value.content if type(value) is PickledArray else None
    if array is None or array.dtype != dtype or array.ndim != axes:
        raise _inconsistent(f"{key} is no array of {axes} axes and type {dtype}", place)
    return array


def _quantization(params: dict[str, Any], of: str, place: str) -> Quantization:
    scale = _entry(params, f"{of}_scale", place)
    if type(scale) is not float or not _SMALLEST_SCALE < scale < _LARGEST_SCALE:
        raise _inconsistent(f"{of}_scale is no number between {_SMALLEST_SCALE:g} and {_LARGEST_SCALE:g}", place)
    return Quantization(scale, _integer(params, f"{of}_zero", place, -128, 127))


# What has to agree.


def _check_scales(conv: Convolution) -> None:
    for name, array in (("bias", conv.bias), ("w_scales", conv.weight_scales)):
        if len(array) != len(conv.weight):
            raise _inconsistent(f"{name} has {len(array)} entries for {len(conv.weight)} channels", conv.place)
    if not (np.isfinite(conv.weight_scales) & (conv.weight_scales > 0)).all():
        raise _inconsistent("w_scales are not all above 0 and finite", conv.place)
    if not (conv.ratios < _MAX_RATIO).all():
        raise _inconsistent("the scales of its input and weight are too large for that of its output", conv.place)


def _check_read(wanted: Activation, x: Activation, place: str) -> None:
    if wanted != x:
        raise _inconsistent(f"it wants {wanted}, and reads {x}", place)


def _inconsistent(what: str, place: str = "") -> CompileError:
    return CompileError("GL116", what, place, _HINT)


def _unsupported(what: str, place: str) -> CompileError:
    hint = "take a network of the MCUNet family without it"
    return CompileError("GL105", f"{what} is not supported", place, hint)
