"""Writes the network of a checkpoint down as a graph of int8 ops."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.frontends.mcunet.checkpoint import MAX_RESOLUTION, Block, Convolution, Network, Quantization, read
from gradlet.frontends.mcunet.states import CONV2D, DENSE, DEPTHWISE, add_states
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph, Source, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.options import Call, build
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.requantize import ROUNDINGS
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32

_MAX_CLASSES = 100_000


@dataclass(frozen=True)
class ImportOptions:
    """What the user may choose.

    Attributes:
        resolution: Height and width of the images; None: those of the checkpoint.
        classes: Of a new head in float32; None keeps the int8 classifier of the checkpoint.
        seed: Of the new head's weights.
        rounding: How int32 sums become int8: float, double_rounding or single_rounding.
    """

    resolution: int | None = None
    classes: int | None = None
    seed: int = 0
    rounding: str = "float"

    def __post_init__(self) -> None:
        if self.resolution is not None and not 1 <= self.resolution <= MAX_RESOLUTION:
            what = f"images of {self.resolution} rows"
            raise CompileError("GL212", what, hint=f"give a resolution from 1 to {MAX_RESOLUTION}")
        if self.classes is not None and not 1 <= self.classes <= _MAX_CLASSES:
            what = f"a head of {self.classes} classes"
            raise CompileError("GL212", what, hint=f"give a number from 1 to {_MAX_CLASSES}")
        if self.seed < 0:
            raise CompileError("GL212", f"the seed {self.seed}", hint="give 0 or more")
        if self.rounding not in ROUNDINGS:
            raise CompileError("GL212", f"rounding {self.rounding!r}", hint=f"give {', '.join(ROUNDINGS)}")


def load(request: ImportRequest, toolbox: Toolbox) -> Program:
    """The program of the checkpoint that is asked for."""
    options = build(ImportOptions, Call("mcunet", tuple(request.options.items())))
    path = Path(request.source)
    return import_network(read(path), options, toolbox, re.sub(r"\W", "_", path.stem), request.batch or 1)


def import_network(network: Network, options: ImportOptions, toolbox: Toolbox, name: str, batch: int = 1) -> Program:
    """The program of a network: `image` int8 NHWC -> `logits` f32[batch, classes]."""
    graph = Graph(name)
    emit = Emit(toolbox.ops, graph)
    side, first = options.resolution or network.resolution, network.blocks[0].convolutions[0]
    x = graph.add_input("image", TensorType(DType.I8, (batch, side, side, first.inputs), _params(first.x)))
    for block in network.blocks:
        x = _block(emit, x, block, options.rounding)
    x = _pooled(emit, x, options.rounding)
    x = _new_head(emit, x, options) if options.classes else _kept_head(emit, x, network.classifier, options.rounding)
    x.name = "logits"
    graph.outputs = [x]
    graph.renumber()
    return Program(graph, metadata={"classes": str(options.classes)} if options.classes else {})


def _block(emit: Emit, x: Value, block: Block, rounding: str) -> Value:
    skip = x
    for conv in block.convolutions:
        x = _convolution(emit, x, conv, rounding)
    if block.residual is None:
        return x
    emit.loc = f"{block.place}.residual"
    x1, x2, y = _quantization(skip), _quantization(x), block.residual
    scales = {"x1_scale": x1.scale, "x2_scale": x2.scale, "y_scale": y.scale}
    zeros = {"x1_zero": x1.zero, "x2_zero": x2.zero, "y_zero": y.zero}
    return emit("qadd", skip, x, **scales, **zeros, rounding=rounding)


def _convolution(emit: Emit, x: Value, conv: Convolution, rounding: str) -> Value:
    height, width = conv.weight.shape[2:]
    emit.loc, layout = conv.place, DEPTHWISE if conv.is_depthwise else CONV2D
    return emit(
        layout.op,
        x,
        *add_states(emit.graph, conv, layout, rounding),
        strides=(conv.stride, conv.stride),
        padding=(height // 2, width // 2, height // 2, width // 2),
        **_attributes(conv, rounding),
    )


def _attributes(conv: Convolution, rounding: str) -> dict[str, Any]:
    return {"x_zero": conv.x.zero, "y_zero": conv.y.zero, "y_scale": conv.y.scale, "rounding": rounding}


def _pooled(emit: Emit, x: Value, rounding: str) -> Value:
    """The mean of each channel, [batch, channels]."""
    emit.loc = "pool"
    batch, height, width, channels = x.type.shape
    window = {"kernel": (height, width), "strides": (height, width), "padding": (0, 0, 0, 0)}
    return emit("reshape", emit("qavg_pool2d", x, **window, rounding=rounding), shape=(batch, channels))


def _kept_head(emit: Emit, x: Value, conv: Convolution, rounding: str) -> Value:
    emit.loc = conv.place
    y = emit(DENSE.op, x, *add_states(emit.graph, conv, DENSE, rounding), **_attributes(conv, rounding))
    return emit("dequantize", y, scale=conv.y.scale, zero_point=conv.y.zero)


def _new_head(emit: Emit, x: Value, options: ImportOptions) -> Value:
    """A dense layer, drawn as `torch.nn.Linear` draws: uniformly up to 1 / sqrt(inputs)."""
    emit.loc = "classifier"
    assert options.classes is not None
    inputs = x.type.shape[-1]
    rng, bound = np.random.default_rng(options.seed), 1 / math.sqrt(inputs)
    operands = []
    for name, shape in (("classifier.weight", (options.classes, inputs)), ("classifier.bias", (options.classes,))):
        drawn = rng.uniform(-bound, bound, shape).astype(np.float32)
        source = Source(name, shape, shape, tuple(range(len(shape))))
        operands.append(emit.graph.add_state(name, drawn, f32(*shape), trainable=True, source=source))
    x_quant = _quantization(x)
    return emit("dense", emit("dequantize", x, scale=x_quant.scale, zero_point=x_quant.zero), *operands)


def _quantization(value: Value) -> Quantization:
    assert value.type.quant is not None, value
    return Quantization(value.type.quant.scale[0], value.type.quant.zero_point[0])


def _params(quantization: Quantization) -> QuantParams:
    return QuantParams((quantization.scale,), (quantization.zero,))
