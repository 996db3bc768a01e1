"""What the int8 kernels cost: instructions for each multiply-accumulate, on the emulated Cortex-M7.

python -m gradlet.benchmarks.int8_kernels [--int16] [--portable] [--target stm32f746] [--json FILE]
                                                        or: ./bazelw run //benchmarks:int8_kernels

Layers of MCUNet at 128x128, each a program of its own. Instructions are exact and the same in every run;
multiply-accumulates are those of `OpDef.macs`, so those on padding count. Of ops that do not multiply, elements of
the result are counted instead. A tiny application of the op stands beside each, as networks have several: else the
compiler makes a kernel for this one shape. The milliseconds are those of this machine, the best of many runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.backends.tinyengine import BACKEND
from gradlet.backends.tinyengine.cortex_m.build import OPTIONS
from gradlet.backends.tinyengine.cortex_m.session import open_device
from gradlet.ir import files
from gradlet.ir.graph import Attrs, Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.quantized_samples import integers
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.tools.paths import user_path

POINT = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
QUANT = {"x_zero": -128, "y_zero": -128, "y_scale": 6 / 255}
SUM = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.06, "y_zero": -7}
MEAN = {"x_scale": 0.05, "x_zero": -3, "y_scale": 0.04, "y_zero": 3}
COLUMNS = ("op", "operands", "multiply-accumulates", "instructions", "each", "ms here")
LINEAR = ("qconv2d", "qdepthwise_conv2d", "qdense", "qmatmul")
RUNS = 20

Use = tuple[str, list[TensorType], Attrs]


def i8(*shape: int) -> TensorType:
    return TensorType(DType.I8, shape)


def pointwise(size: int, channels: int, out: int, **attrs: object) -> Use:
    types = [i8(1, size, size, channels), i8(out, 1, 1, channels), i32(out), f32(out)]
    return "qconv2d", types, POINT | QUANT | attrs


def depthwise(size: int, channels: int, kernel: int, stride: int = 1, **attrs: object) -> Use:
    types = [i8(1, size, size, channels), i8(kernel, kernel, channels), i32(channels), f32(channels)]
    window = {"strides": (stride, stride), "padding": (kernel // 2,) * 4}
    return "qdepthwise_conv2d", types, window | QUANT | attrs


def uses() -> Iterator[Use]:
    stem = [i8(1, 128, 128, 3), i8(16, 3, 3, 3), i32(16), f32(16)]
    yield "qconv2d", stem, {"strides": (2, 2), "padding": (1, 1, 1, 1)} | QUANT
    for size, channels, out in ((64, 16, 8), (64, 8, 32), (32, 16, 48), (32, 48, 16), (16, 24, 120), (16, 120, 24)):
        yield pointwise(size, channels, out)
    yield pointwise(16, 16, 96)
    yield "qconv2d", [i8(1, 20, 20, 16), i8(16, 3, 3, 16), i32(16), f32(16)], depthwise(20, 16, 3)[2]
    for size, channels, out in ((8, 40, 160), (8, 160, 40), (8, 48, 192), (4, 96, 384), (4, 384, 96), (4, 96, 576)):
        yield pointwise(size, channels, out)
    yield pointwise(4, 384, 96, mask=True)
    for size, channels, kernel, stride in ((64, 16, 3, 1), (32, 48, 3, 1), (32, 48, 7, 2), (16, 120, 3, 1)):
        yield depthwise(size, channels, kernel, stride)
    for size, channels, kernel in ((16, 48, 3), (16, 48, 7), (8, 160, 7), (8, 160, 5), (4, 384, 5), (4, 576, 3)):
        yield depthwise(size, channels, kernel)
    yield depthwise(4, 384, 5, mask=True)
    for terms in (160, 256):
        yield "qdense", [i8(1, terms), i8(10, terms), i32(10), f32(10)], QUANT
    yield "qadd", [i8(1, 32, 32, 16), i8(1, 32, 32, 16)], SUM
    yield "qadd", [i8(1, 4, 4, 96), i8(1, 4, 4, 96)], SUM | {"mask": True}
    yield "qadd", [i8(1, 16, 16, 64), i8(1, 1, 1, 64)], SUM
    for shape in (16, 16, 64), (1, 1, 64):
        yield "qmul", [i8(1, 16, 16, 64), i8(1, *shape)], SUM
    yield "qmatmul", [i8(4, 64, 16), i8(4, 64, 16)], SUM | {"transpose_b": True}
    products = [((4, 64, 16), (4, 16, 64)), ((4, 64, 32), (4, 32, 64)), ((4, 64, 64), (4, 64, 32))]
    for first, second in (*products, ((8, 49, 49), (8, 49, 32)), ((1, 64), (64, 64))):
        yield "qmatmul", [i8(*first), i8(*second)], SUM
    yield "qmean", [i8(1, 16, 16, 64)], {"axis": (1, 2), **MEAN}
    yield "qavg_pool2d", [i8(1, 4, 4, 160)], {"kernel": (4, 4)} | POINT
    for size, channels, kernel in ((64, 16, 2), (32, 48, 3)):
        window = {"kernel": (kernel, kernel), "strides": (2, 2), "padding": (kernel // 3,) * 4}
        yield "max_pool2d", [i8(1, size, size, channels)], window
    yield "pad", [i8(1, 32, 32, 16)], {"before": (0, 1, 1, 0), "after": (0, 1, 1, 0), "value": -128.0}
    for mode in ("nearest", "bilinear"):
        yield "resize", [i8(1, 16, 16, 32)], {"mode": mode, "size": (32, 32)}


def on_int16(use: Use) -> Use:
    """A convolution or dense layer on int16 activations, or a product of two of them."""
    op, types, attrs = use
    activations = 2 if op == "qmatmul" else 1
    wide = [replace(t, dtype=DType.I16) for t in types[:activations]]
    zeros = {name: 0 for name in attrs if name.endswith("_zero")}
    return op, [*wide, *types[activations:]], {**attrs, **zeros, "bits": 16}


def tiny(use: Use) -> Use:
    """The op of another shape."""
    op, types, attrs = use
    match op:
        case "qconv2d":
            return op, [i8(1, 1, 1, 3), i8(1, 1, 1, 3), i32(1), f32(1)], POINT | QUANT
        case "qdepthwise_conv2d":
            return op, [i8(1, 1, 1, 1), i8(1, 1, 1), i32(1), f32(1)], POINT | QUANT
        case "qdense":
            return op, [i8(1, 3), i8(1, 3), i32(1), f32(1)], QUANT
        case "qavg_pool2d" | "max_pool2d":
            return op, [i8(1, 1, 1, 1)], POINT | {"kernel": (1, 1)}
        case "pad":
            return op, [i8(1)], {"before": (1,), "after": (0,)}
        case "qmatmul":
            return op, [i8(1, 1), i8(1, 1)], {**attrs, "y_zero": 0}
        case "qmean":
            return op, [i8(1)], {**attrs, "axis": (0,)}
        case "resize":
            return op, [i8(1, 1, 1, 1)], {**attrs, "size": (1, 1)}
        case _:
            return op, [i8(1) for _ in types], {**attrs, "y_zero": 0}


def measured(use: Use, tools: Toolbox, target_name: str, portable: bool, int16: bool = False) -> dict[str, object]:
    used = {"x": use, "tiny": tiny(use)}
    used = {k: on_int16(u) for k, u in used.items()} if int16 else used
    op, types, attrs = used["x"]
    graph = Graph("kernel")
    nodes = [
        Emit(tools.ops, graph).node(name, *(graph.add_input(f"{k}{i}", t) for i, t in enumerate(operands)), **named)
        for k, (name, operands, named) in used.items()
    ]
    node = nodes[0]
    graph.outputs = [v for n in nodes for v in n.outputs]
    known = tools.get("targets", target_name)
    target = replace(known, sram=Memory(known.sram.base, 8 << 20))
    # The kernels then take their C for other processors.
    options = (*OPTIONS, "-U__ARM_FP", "-U__ARM_FEATURE_DSP") if portable else OPTIONS
    sampled = integers()([v.type for v in graph.inputs], np.random.default_rng(0))
    arrays = dict(zip((v.name for v in graph.inputs), sampled, strict=True))
    session = open_device(Program(graph), target, tools, options=options)
    session.infer(arrays)
    instructions = session.instructions
    session.close()
    macs = tools.ops[op].macs(node) or node.outputs[0].type.size
    operands = " ".join(map(str, types[:2])) + (" with mask" if attrs.get("mask") else "")
    row = (op, operands, macs, instructions, instructions / macs, host_milliseconds(graph, arrays, tools))
    return dict(zip(COLUMNS, row, strict=True))


def host_milliseconds(graph: Graph, arrays: dict[str, np.ndarray], tools: Toolbox) -> float:
    session = BACKEND.open(Program(graph), tools.get("targets", "x86_64"), tools)
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        session.infer(arrays)
        best = min(best, time.perf_counter() - start)
    session.close()
    return best * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument(
        "--int16", action="store_true", help="convolutions, dense layers and products on int16 activations"
    )
    parser.add_argument("--portable", action="store_true", help="without assembly")
    parser.add_argument("--target", default="stm32f746", help="a Cortex-M (default: %(default)s)")
    args = parser.parse_args()
    console, table, tools = Console(), Table(box=None), load(installed=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right", no_wrap=True)
    with console.status("emulating"):
        chosen = [use for use in uses() if use[0] in LINEAR or not args.int16]
        found = [measured(use, tools, args.target, args.portable, args.int16) for use in chosen]
    for op, operands, macs, instructions, each, ms in (row.values() for row in found):
        table.add_row(str(op), str(operands), f"{macs:,}", f"{instructions:,}", f"{each:.2f}", f"{ms:.2f}")
    console.print(table)
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
