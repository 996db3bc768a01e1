"""Writes the programs of this format version, and what they compute: files that must load for ever.

python -m gradlet.tests.compat.freeze     once for each version of the format, before its first release

It refuses to write a folder that exists: a frozen file is never made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine import BACKEND
from gradlet.ir import files
from gradlet.ir.graph import Graph, KernelChoice, Role, Source
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, i32
from gradlet.ir.upgrades import IR_VERSION
from gradlet.optimizers.compilation import optimize
from gradlet.targets.stm32f746 import TARGET
from gradlet.tests.small_models import TOOLS, Builder, conv_net

HERE = Path(__file__).parent
STEPS = 3
LEARNING_RATE = 0.05
# A large eps: a rounding error of a tiny gradient on another machine stays tiny.
_ADAM = "adam{eps=0.001,weight_decay=0.01,decoupled=true,every=2}"


def convolutions() -> Program:
    """A step whose sparse update permuted channels, with moments, accumulators and counters, planned."""
    graph = conv_net(batch_norm=True)
    for state in graph.states:
        axes = state.init.shape
        state.source = Source(f"net.{state.name}", axes, axes, tuple(range(len(axes))))
    return _compiled(graph, "last_3{ratio=0.5}", _ADAM)


def dropped() -> Program:
    """A step with random masks and their counter."""
    b = Builder("dropped", 4, 8)
    b.emit.loc = "body"
    x = b.emit("relu", b.dense(b.x, 12))
    counter = b.graph.add_state("body.counter", np.zeros((), np.int32), i32(), Role.COUNTER)
    x = b.emit("dropout", x, counter, rate=0.25, seed=7)
    b.emit.loc = "head"
    return _compiled(b.done(b.dense(x, 3)), "full", "momentum{nesterov=true}")


def inference() -> Program:
    return _compiled(conv_net(1, batch_norm=True), "none", "sgd")


def quantized() -> Program:
    """What no pass makes in this version: quantised types, for each tensor and for each channel."""
    graph = Graph("quantized")
    x = graph.add_input("x", TensorType(DType.I8, (2, 6), QuantParams((0.5,), (-3,))))
    builder = Builder("quantized", 1)
    builder.emit.graph = graph
    y = builder.emit("reshape", x, shape=(3, 4))
    graph.nodes[0].choice = KernelChoice("reshape/copy", 64, {"rows": 4, "unroll": -1})
    weight = TensorType(DType.I8, (2, 4), QuantParams((0.25, 0.125), (0, 1), 0))
    w = graph.add_state("w", np.arange(8, dtype=np.int8).reshape(2, 4), weight)
    graph.outputs = [y, builder.emit("transpose", w, axes=(1, 0))]
    return Program(graph, metadata={"labels": "yes no", "unicode": "größer"})


def _compiled(graph: Graph, scheme: str, update: str) -> Program:
    context = Context(TOOLS, TARGET, lambda g: BACKEND.choose(Program(g), TARGET, TOOLS))
    options = {"sparse_update": {"scheme": scheme}, "differentiate": {"update": update}}
    program = Program(graph, metadata={"labels": "a b c"})
    return optimize(program, context, "inference" if scheme == "none" else "train", options=options)


PROGRAMS = {"convolutions": convolutions, "dropped": dropped, "inference": inference, "quantized": quantized}


def feed(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)

    def drawn(name: str, type_: TensorType) -> np.ndarray:
        if name == "lr":
            return np.asarray(LEARNING_RATE, np.float32)
        if type_.dtype.is_float:
            return rng.normal(size=type_.shape).astype(type_.dtype.numpy)
        return rng.integers(0, 3, type_.shape).astype(type_.dtype.numpy)

    return {v.name: drawn(v.name, v.type) for v in graph.inputs}


def run(program: Program, given: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Everything that goes in and comes out of some steps (or one inference): `in/0/x`, `out/0/loss`, `state/w`."""
    session, found = ReferenceSession(program, TOOLS), {}
    infer = program.infer or program.graph
    for step in range(STEPS if program.trains else 0):
        found |= _call(session.train_step, program.graph, step, given)
    found |= _call(session.infer, infer, STEPS, given)
    return found | {f"state/{name}": array for name, array in session.states().items()}


def _call(function, graph: Graph, step: int, given: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    drawn = feed(graph, step) if given is None else {v.name: given[f"in/{step}/{v.name}"] for v in graph.inputs}
    outputs = function(drawn)
    return {f"in/{step}/{k}": v for k, v in drawn.items()} | {f"out/{step}/{k}": v for k, v in outputs.items()}


def main() -> None:
    folder, programs = HERE / f"v{IR_VERSION}", {name: make() for name, make in PROGRAMS.items()}
    folder.mkdir()  # fails where it exists
    for name, program in programs.items():
        files.save(program, folder / f"{name}.gradlet", TOOLS.ops)
        files.save(program, folder / f"{name}.textproto", TOOLS.ops)
        files.save(program, folder / f"{name}_beside.gradlet", TOOLS.ops, inline_bytes=0)
        np.savez_compressed(folder / f"{name}.npz", **run(program))


if __name__ == "__main__":
    main()
