"""What the kernels of quantised gradients cost: instructions for each multiply-accumulate, on the emulated Cortex-M7.

python -m gradlet.benchmarks.gradient_kernels [--gradients int8] [--portable] [--target stm32f746] [--json FILE]
                                                        or: ./bazelw run //benchmarks:gradient_kernels

The backward pass and the updates of MCUNet at 128x128, each node a program of its own, as in `int8_kernels`.
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
from gradlet.benchmarks.int8_kernels import COLUMNS, POINT, Use, host_milliseconds
from gradlet.ir import files
from gradlet.ir.gradient_epilogue import RANGE
from gradlet.ir.graph import Graph, Role
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.quantized_samples import integers
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import DType, TensorType, b1, f32, i32
from gradlet.tools.paths import user_path

# Of activations, after a ReLU.
ZERO = {DType.I8: -128, DType.I16: 0}


def i8(*shape: int) -> TensorType:
    return TensorType(DType.I8, shape)


def ranged(dtype: DType, *shape: int) -> list[TensorType]:
    """A gradient and, if it is of integers, its range."""
    return [TensorType(dtype, shape)] + ([] if dtype is DType.F32 else [RANGE])


def ending(dtype: DType, shape: tuple[int, ...], skip: bool) -> tuple[list[TensorType], dict[str, object]]:
    """Mask and scale, as of every gradient that goes on to another layer."""
    types = [b1(*shape), f32(shape[-1]), *(ranged(dtype, *shape) if skip else []), *ranged(dtype)[1:]]
    return types, {"mask": True, "scale": True, "skip": skip, "dtype": dtype.value}


def pointwise(dtype: DType, size: int, channels: int, out: int, skip: bool = False) -> Use:
    x = (1, size, size, channels)
    more, attrs = ending(dtype, x, skip)
    types = [*ranged(dtype, 1, size, size, out), i8(out, 1, 1, channels), *more]
    return "qconv2d_input_grad", types, POINT | attrs | {"input_shape": x}


def depthwise(dtype: DType, size: int, channels: int, kernel: int, stride: int = 1) -> Use:
    x, window = (1, size, size, channels), {"strides": (stride, stride), "padding": (kernel // 2,) * 4}
    more, attrs = ending(dtype, x, False)
    types = [*ranged(dtype, 1, size // stride, size // stride, channels), i8(kernel, kernel, channels), *more]
    return "qdepthwise_conv2d_input_grad", types, window | attrs | {"input_shape": x}


def weights(dtype: DType, x: DType, size: int, channels: int, out: int) -> Use:
    types = [TensorType(x, (1, size, size, channels)), TensorType(dtype, (1, size, size, out))]
    return "qconv2d_weight_grad", types, POINT | {"kernel": (1, 1), "x_zero": ZERO[x]}


def depthwise_weights(dtype: DType, x: DType, size: int, channels: int, kernel: int) -> Use:
    types, window = [TensorType(t, (1, size, size, channels)) for t in (x, dtype)], (kernel, kernel)
    same = {"strides": (1, 1), "padding": (kernel // 2,) * 4}
    return "qdepthwise_conv2d_weight_grad", types, same | {"kernel": window, "x_zero": ZERO[x]}


def products(dtype: DType, first: tuple[int, ...], second: tuple[int, ...]) -> Iterator[Use]:
    """The gradients of both operands of a product of matrices."""
    g = (*first[:-1], second[-1])
    for of, (own, other) in enumerate(((first, second), (second, first))):
        attrs = {"of": of, "shape": own, "zero_point": -3, "dtype": dtype.value}
        yield "qmatmul_input_grad", [*ranged(dtype, *g), i8(*other), *ranged(dtype)[1:]], attrs


def uses(dtype: DType) -> Iterator[Use]:
    for size, channels, out in ((4, 96, 576), (4, 576, 96), (4, 96, 384), (4, 384, 96), (4, 240, 96), (8, 48, 240)):
        yield pointwise(dtype, size, channels, out, skip=out > channels)
    for size, channels, out in ((8, 192, 48), (8, 48, 192), (8, 160, 48), (8, 40, 160)):
        yield pointwise(dtype, size, channels, out)
    for size, channels, kernel, stride in (
        (4, 576, 3, 1),
        (4, 384, 5, 1),
        (8, 240, 7, 2),
        (8, 192, 5, 1),
        (8, 144, 3, 1),
    ):
        yield depthwise(dtype, size, channels, kernel, stride)
    for x in ZERO:
        for size, channels, out in ((4, 96, 384), (8, 48, 192), (8, 40, 160), (8, 12, 240)):
            yield weights(dtype, x, size, channels, out)
        for size, channels, kernel in ((4, 384, 5), (8, 144, 3)):
            yield depthwise_weights(dtype, x, size, channels, kernel)
    yield from products(dtype, (4, 64, 16), (4, 16, 64))
    yield from products(dtype, (4, 64, 64), (4, 64, 16))
    yield (
        "rescale_gradient",
        [*ranged(dtype, 1, 4, 4, 160), *ending(dtype, (1, 4, 4, 160), False)[0]],
        ending(dtype, (1,), False)[1],
    )
    yield "gradient_sum", [TensorType(dtype, (1, 8, 8, 192))], {}
    learnt = [
        TensorType(DType.I32 if dtype is DType.I8 else DType.F32, (192, 1, 1, 48)),
        *([RANGE] if dtype is DType.I8 else []),
    ]
    yield "quantized_sgd", [i8(192, 1, 1, 48), *learnt, f32(), f32(192), i32()], {"channel_axis": 0, "seed": 1}


def measured(use: Use, tools: Toolbox, target_name: str, portable: bool) -> dict[str, object]:
    """One node whose ranges are known: what every step but the first costs."""
    op, types, attrs = use
    graph, sample = Graph("kernel"), integers(0.01, (100.0, 1.0))(types, np.random.default_rng(0))
    outputs = len(tools.ops[op].infer(types, attrs))
    written = set(tools.ops[op].overwritten(outputs, len(types)).values())
    operands = [
        graph.add_state(f"x{i}", array, t, Role.BUFFER) if i in written else graph.add_input(f"x{i}", t)
        for i, (t, array) in enumerate(zip(types, sample, strict=True))
    ]
    node = Emit(tools.ops, graph).node(op, *operands, **attrs)
    graph.outputs = list(node.outputs)
    arrays = {v.name: a for v, a in zip(operands, sample, strict=True) if v in graph.inputs}
    known = tools.get("targets", target_name)
    # The kernels then take their C for other processors.
    options = (*OPTIONS, "-U__ARM_FP", "-U__ARM_FEATURE_DSP") if portable else OPTIONS
    target = replace(known, sram=Memory(known.sram.base, 8 << 20))
    session = open_device(Program(graph), target, tools, options=options)
    session.infer(arrays)
    instructions = session.instructions
    session.close()
    macs = tools.ops[op].macs(node) or types[0].size
    shapes = " ".join(str(t) for t in types if len(t.shape) > 1)
    row = (op, shapes, macs, instructions, instructions / macs, host_milliseconds(graph, arrays, tools))
    return dict(zip(COLUMNS, row, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradients", choices=["int8", "int16", "float32"], default="int8")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--portable", action="store_true", help="without assembly")
    parser.add_argument("--target", default="stm32f746", help="a Cortex-M (default: %(default)s)")
    args = parser.parse_args()
    console, table, tools = Console(), Table(box=None), load(installed=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right", no_wrap=True)
    with console.status("emulating"):
        found = [measured(use, tools, args.target, args.portable) for use in uses(DType(args.gradients))]
    for op, operands, macs, instructions, each, ms in (row.values() for row in found):
        table.add_row(str(op), str(operands), f"{macs:,}", f"{instructions:,}", f"{each:.2f}", f"{ms:.2f}")
    console.print(table)
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
