"""Training steps of a small network, for the tests of sessions."""

from __future__ import annotations

import numpy as np

from gradlet.backends.tvm.choice import choose
from gradlet.backends.tvm.layout import plan_of
from gradlet.ir.graph import Graph, Phase, Role, Value
from gradlet.ir.memory_plan import check
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import load
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32, i32

TOOLBOX = load(installed=False)
BATCH, FEATURES, HIDDEN, CLASSES = 8, 12, 16, 4
# Input columns of the first layer that learn.
PART = {"axis": 1, "begin": 3, "end": 9}


def mlp() -> Program:
    """Two layers: part of the first learns with momentum, all of the second with adam, frozen are the biases."""
    emit = Emit(TOOLBOX.ops, Graph("mlp"))
    graph = emit.graph
    x, hidden, logits = _forward(emit)
    label, lr = graph.add_input("label", i32(BATCH)), graph.add_input("lr", f32())
    loss = emit("softmax_cross_entropy", logits, label)
    loss.name = "loss"
    emit.phase = Phase.BACKWARD
    states = {s.name: s.value for s in graph.states}
    g = emit("softmax_cross_entropy_grad", logits, label)
    g_head = emit("dense_weight_grad", g, hidden)
    g_hidden = emit("masked", emit("matmul", g, states["head"]), emit("inside", hidden, lo=0.0, hi=float("inf")))
    g_body = emit("dense_weight_grad", g_hidden, emit("slice", x, **PART))
    _update(emit, states, lr, g_body, g_head)
    graph.outputs = [loss, logits]
    infer = Emit(TOOLBOX.ops, Graph("mlp"))
    infer.graph.outputs = [_forward(infer)[2]]
    return Program(graph, infer.graph)


def planned_mlp() -> Program:
    """The same, with plans that count the working memory of TVM's kernels."""
    program = mlp()
    choose(program, TOOLBOX)
    for graph in program.graphs:
        graph.plan = plan_of(graph, TOOLBOX.ops)
        check(graph, TOOLBOX.ops, graph.plan)
    return program


def _forward(emit: Emit) -> tuple[Value, Value, Value]:
    rng, graph = np.random.default_rng(0), emit.graph

    def state(name: str, *shape: int) -> Value:
        return graph.add_state(name, rng.normal(size=shape).astype(np.float32), f32(*shape))

    x = graph.add_input("x", f32(BATCH, FEATURES))
    hidden = emit("dense", x, state("body", HIDDEN, FEATURES), state("body_bias", HIDDEN), activation="relu")
    logits = emit("dense", hidden, state("head", CLASSES, HIDDEN), state("head_bias", CLASSES))
    logits.name = "logits"
    return x, hidden, logits


def _update(emit: Emit, states: dict[str, Value], lr: Value, g_body: Value, g_head: Value) -> None:
    emit.phase = Phase.UPDATE
    body, head = states["body"], states["head"]
    step = emit("count", emit.graph.add_state("step", np.zeros((), np.int32), i32(), Role.COUNTER))
    emit("momentum", body, g_body, _moment(emit, "velocity", g_body), lr, momentum=0.9, nesterov=True, **PART)
    first, second = _moment(emit, "first", g_head), _moment(emit, "second", g_head)
    emit("adam", head, g_head, first, second, step, lr, beta1=0.9, beta2=0.999, eps=1e-8)


def _moment(emit: Emit, name: str, gradient: Value) -> Value:
    return emit.graph.add_state(name, np.zeros(gradient.type.shape, np.float32), gradient.type, Role.MOMENT)


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of one step."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    return {"x": rng.normal(size=(BATCH, FEATURES)).astype(np.float32), "label": labels, "lr": np.float32(0.02)}
