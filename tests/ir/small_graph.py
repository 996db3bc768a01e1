"""A two-layer training step, built by hand: what the tests of the IR work on."""

import numpy as np

from gradlet.ir.graph import Graph, Phase, Region
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.tensor_type import f32, i32


def toolbox() -> Toolbox:
    return load(installed=False)


def step(tools: Toolbox) -> Graph:
    """y = relu(x w1ᵀ) w2ᵀ; w2 learns, one half of its columns only."""
    rng = np.random.default_rng(0)
    graph = Graph("small")
    x, label, lr = graph.add_input("x", f32(4, 6)), graph.add_input("label", i32(4)), graph.add_input("lr", f32())
    w1 = graph.add_state("body.0.weight", rng.normal(size=(8, 6)).astype(np.float32), f32(8, 6))
    w2 = graph.add_state("head.weight", rng.normal(size=(3, 8)).astype(np.float32), f32(3, 8), trainable=True)
    graph.states[1].region = Region(1, 0, 4)
    emit = Emit(tools.ops, graph, loc="body.0")
    hidden = emit("dense", x, w1, activation="relu")
    emit.loc = "head"
    logits = emit("dense", hidden, w2)
    loss = emit("softmax_cross_entropy", logits, label)
    kept = emit("slice", hidden, axis=1, begin=0, end=4)
    emit.phase = Phase.BACKWARD
    grad = emit("softmax_cross_entropy_grad", logits, label)
    weight_grad = emit("dense_weight_grad", grad, kept)
    emit.phase = Phase.UPDATE
    emit("sgd", w2, weight_grad, lr, **graph.states[1].region.attrs)
    graph.outputs = [loss, logits]
    return graph
