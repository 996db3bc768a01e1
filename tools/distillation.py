"""Trains a copy of a graph to give what another one gives: no labels needed, only samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Graph
from gradlet.ir.options import Call
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.quantization.calibration import Feed, run

# The C kernels on this machine.
_TARGET, _BACKEND = "x86_64", "tinyengine"


def distill(
    student: Graph, teacher: Graph, feeds: Sequence[Feed], tools: Toolbox, *, steps: int, lr: float, prediction: int = 0
) -> dict[str, np.ndarray]:
    """The parameters of the student after training: Adam on the mean squared difference of one output.

    Args:
        student: A forward graph; what is trainable learns.
        teacher: A forward graph with the same inputs and outputs.
        feeds: Samples, each a whole batch for every input; they are gone through again and again, in order.
        tools: Ops, passes and backends.
        steps: Of training.
        lr: Of the first step; it falls linearly to 0.
        prediction: The output, counted from 0.

    Raises:
        CompileError: GL202 if nothing is trainable, GL330 without a C compiler.
    """
    target, backend = tools.get("targets", _TARGET), tools.get("backends", _BACKEND)
    context = Context(tools, target, lambda graph: backend.choose(Program(graph), target, tools))
    loss = {"loss": "mse", "update": Call("adam"), "prediction": str(prediction)}
    program = optimize(Program(clone(student)), context, "train", options={"differentiate": loss})
    name = teacher.outputs[prediction].name
    wanted = [run(teacher, tools.ops, feed)[name] for feed in feeds]
    session = backend.open(program, target, tools)
    try:
        for step in range(steps):
            k, rate = step % len(feeds), lr * (1 - step / steps)
            session.train_step({**feeds[k], "target": wanted[k], "lr": np.float32(rate)})
        learned = session.states()
    finally:
        session.close()
    return {s.name: learned[s.name] for s in student.states if s.trainable and s.name in learned}
