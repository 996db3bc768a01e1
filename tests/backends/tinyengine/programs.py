"""Small training programs, built by hand: what the tests of the C backend compile."""

import numpy as np

from gradlet.ir.graph import Graph, Node, Phase
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import load
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import f32, i32
from gradlet.tests.ops import cases

TOOLBOX = load(installed=False)
HOST = Target("host", "This machine.", "x86_64", alignment=16)
BATCH, FEATURES, HIDDEN, CLASSES = 4, 6, 8, 3


def _forward(emit: Emit, seed: int, names: tuple[str, str, str]) -> list:
    """(x, hidden, logits): two layers; both parameters and the bias are states of the graph."""
    rng = np.random.default_rng(seed)
    graph = emit.graph
    x = graph.add_input("x", f32(BATCH, FEATURES))
    w1 = graph.add_state(names[0], _normal(rng, HIDDEN, FEATURES), f32(HIDDEN, FEATURES))
    b1 = graph.add_state(names[1], _normal(rng, HIDDEN), f32(HIDDEN))
    w2 = graph.add_state(names[2], _normal(rng, CLASSES, HIDDEN), f32(CLASSES, HIDDEN), trainable=True)
    hidden = emit("dense", x, w1, b1, activation="relu")
    logits = emit("dense", hidden, w2)
    logits.name = "logits"
    return [x, hidden, w2, logits]


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


NAMES = ("body.weight", "body.bias", "head.weight")


def mlp(name: str = "mlp", seed: int = 0, state_names: tuple[str, str, str] = NAMES) -> Program:
    """The last layer of two learns by gradient descent."""
    step = Emit(TOOLBOX.ops, Graph(name))
    _, hidden, w2, logits = _forward(step, seed, state_names)
    graph = step.graph
    label, lr = graph.add_input("label", i32(BATCH)), graph.add_input("lr", f32())
    loss = step("softmax_cross_entropy", logits, label)
    loss.name = "loss"
    step.phase = Phase.BACKWARD
    gradient = step("dense_weight_grad", step("softmax_cross_entropy_grad", logits, label), hidden)
    step.phase = Phase.UPDATE
    step("sgd", w2, gradient, lr)
    graph.outputs = [loss, logits]

    infer = Emit(TOOLBOX.ops, Graph(name))
    infer.graph.outputs = [_forward(infer, seed, state_names)[-1]]
    return Program(graph, infer.graph)


def classifier(name: str = "classifier", seed: int = 0) -> Program:
    """The two layers alone: a program that does not train."""
    emit = Emit(TOOLBOX.ops, Graph(name))
    emit.graph.outputs = [_forward(emit, seed, NAMES)[-1]]
    return Program(emit.graph)


def batch(seed: int = 0, lr: float = 0.1) -> dict[str, np.ndarray]:
    """Inputs of one step of `mlp`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    return {"x": _normal(rng, BATCH, FEATURES), "label": labels, "lr": np.float32(lr)}


def features(seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of one inference."""
    return {"x": batch(seed)["x"]}


def every_case() -> tuple[Program, dict[cases.Case, Node]]:
    """One program of every example of every op, the node of each, and nothing between them: it compiles at once."""
    graph = Graph("every")
    nodes = {}
    for number, case in enumerate(cases.CASES):
        outputs = cases.add_case(graph, case, prefix=f"c{number}_")[1]
        nodes[case] = outputs[0].producer
        graph.outputs += outputs
    return Program(graph), nodes


def case_inputs(nodes: dict[cases.Case, Node]) -> dict[str, np.ndarray]:
    """Inputs of `every_case`, by name; those that are overwritten are states, which begin with them."""
    return {v.name: a for c, n in nodes.items() for v, a in zip(n.inputs, c.arguments(), strict=True)}
