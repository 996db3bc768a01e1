"""What the float kernels cost: instructions for each multiply-accumulate, on the emulated Cortex-M7.

python -m gradlet.benchmarks.kernels [--portable] [--json FILE]     or: ./bazelw run //benchmarks:kernels

Layers of MobileNetV2-0.35 at 96x96 and of ResNet-8, forward and backward, each a program of its own. Instructions are
exact and the same in every run; multiply-accumulates are those of `OpDef.macs`, so those on padding count.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.backends.tinyengine.cortex_m.build import OPTIONS
from gradlet.backends.tinyengine.cortex_m.session import open_device
from gradlet.ir import files
from gradlet.ir.graph import Attrs, Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.tools.paths import user_path

POINT = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
HALF = {"strides": (2, 2), "padding": (1, 1, 1, 1)}
WIDE = {"strides": (1, 1), "padding": (2, 2, 2, 2)}
COLUMNS = ("op", "operands", "multiply-accumulates", "instructions", "each")

Use = tuple[str, list[TensorType], Attrs]


def convolution(size: int, channels: int, out: int, kernel: int, attrs: Attrs, activation: str) -> Iterator[Use]:
    """A convolution of a square image and both its gradients."""
    x, w = f32(1, size, size, channels), f32(out, kernel, kernel, channels)
    g = f32(1, size // attrs["strides"][0], size // attrs["strides"][1], out)
    yield "conv2d", [x, w, f32(out)], {**attrs, "activation": activation}
    yield "conv2d_input_grad", [g, w], {**attrs, "input_shape": x.shape}
    yield "conv2d_weight_grad", [x, g], {**attrs, "kernel": (kernel, kernel)}


def depthwise(size: int, channels: int, kernel: int, attrs: Attrs) -> Iterator[Use]:
    x, w = f32(1, size, size, channels), f32(kernel, kernel, channels)
    g = f32(1, size // attrs["strides"][0], size // attrs["strides"][1], channels)
    yield "depthwise_conv2d", [x, w, f32(channels)], {**attrs, "activation": "relu6"}
    yield "depthwise_conv2d_input_grad", [g, w], {**attrs, "input_shape": x.shape}
    yield "depthwise_conv2d_weight_grad", [x, g], {**attrs, "kernel": (kernel, kernel)}


def dense(rows: int, features: int, out: int) -> Iterator[Use]:
    x, w, g = f32(rows, features), f32(out, features), f32(rows, out)
    yield "dense", [x, w, f32(out)], {}
    yield "matmul", [g, w], {}
    yield "dense_weight_grad", [g, x], {}


def uses() -> Iterator[Use]:
    yield from convolution(96, 3, 16, 3, HALF, "relu6")
    yield from convolution(24, 16, 48, 1, POINT, "relu6")
    yield from convolution(6, 96, 24, 1, POINT, "none")
    yield from convolution(4, 160, 320, 1, POINT, "relu6")
    yield from convolution(16, 16, 16, 3, SAME, "relu")
    yield from convolution(8, 64, 64, 3, SAME, "relu")
    yield from depthwise(24, 48, 3, SAME)
    yield from depthwise(24, 48, 3, HALF)
    yield from depthwise(6, 96, 5, WIDE)
    yield from dense(1, 320, 10)
    yield from dense(16, 64, 64)


def measured(use: Use, tools: Toolbox, portable: bool) -> dict[str, object]:
    op, types, attrs = use
    graph = Graph("kernel")
    node = Emit(tools.ops, graph).node(op, *(graph.add_input(f"x{i}", t) for i, t in enumerate(types)), **attrs)
    graph.outputs = list(node.outputs)
    known = tools.get("targets", "stm32f746")
    target = replace(known, sram=Memory(known.sram.base, 8 << 20))
    # The kernels then take their C for other processors.
    options = (*OPTIONS, "-U__ARM_FP") if portable else OPTIONS
    session = open_device(Program(graph), target, tools, options=options)
    rng = np.random.default_rng(0)
    session.infer({v.name: rng.normal(size=v.type.shape).astype(np.float32) for v in graph.inputs})
    macs, instructions = tools.ops[op].macs(node), session.instructions
    session.close()
    operands = " ".join(map(str, types))
    return dict(zip(COLUMNS, (op, operands, macs, instructions, instructions / macs), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--portable", action="store_true", help="without assembly")
    args = parser.parse_args()
    console, table, tools = Console(), Table(box=None), load(installed=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right", no_wrap=True)
    with console.status("emulating"):
        found = [measured(use, tools, args.portable) for use in uses()]
    for op, operands, macs, instructions, each in (row.values() for row in found):
        table.add_row(str(op), str(operands), f"{macs:,}", f"{instructions:,}", f"{each:.2f}")
    console.print(table)
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
