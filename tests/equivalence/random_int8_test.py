"""Random int8 networks take the steps of the reference on every backend, bit by bit."""

import numpy as np
import pytest

from gradlet.ir.graph import Graph, Value
from gradlet.ir.program import Program
from gradlet.tests.equivalence.int8_programs import opened, program_of
from gradlet.tests.int8_models import Int8Builder, int8_batches

SEEDS, STEPS = range(12), 3
UPDATES = (
    "sgd",
    "sgd{every=2}",
    "sgd{rounding=nearest,weight_decay=0.01}",
    "sgd{bound=0.75,seed=-7}",
    "sgd{weights=float}",
    "momentum{momentum=0.8,every=3}",
)
SCHEMES = ("full", "full{ratio=0.4}", "last_3{ratio=0.3,criterion=random}", "bias_last_4", "last_2{head=false}")


def drawn_net(rng: np.random.Generator) -> Graph:
    """Layers of all kinds behind one another; where shapes agree, a value from further up is added."""
    size, batch = int(rng.integers(4, 12)), int(rng.integers(1, 4))
    rounding = str(rng.choice(["float", "float", "double_rounding", "single_rounding"]))
    b = Int8Builder(
        "drawn", batch, size, size, int(rng.integers(1, 5)), rounding=rounding, dead=int(rng.integers(0, 2))
    )
    values = [b.x]
    for k in range(int(rng.integers(4, 9))):
        b.emit.loc = f"layers.{k}"
        values.append(drawn_layer(b, values, rng))
    b.emit.loc = "pool"
    x = b.pool(values[-1])
    b.emit.loc = "hidden"
    x = b.dense(x, int(rng.integers(3, 9)), relu=True) if rng.random() < 0.4 else x
    b.emit.loc = "head"
    return b.done(b.head(x, int(rng.integers(2, 20))))


def drawn_layer(b: Int8Builder, values: list[Value], rng: np.random.Generator) -> Value:
    x = values[-1]
    alike = [v for v in values[1:] if v.type.shape == x.type.shape]
    kernel, stride = int(rng.choice([1, 3, 5])), int(rng.choice([1, 1, 2])) if x.type.shape[1] > 3 else 1
    kind = rng.choice(["conv", "conv", "depthwise", "add"])
    if kind == "add" and alike:
        return b.add(x, alike[int(rng.integers(len(alike)))])
    if kind == "depthwise":
        return b.depthwise(x, max(kernel, 3), stride, relu=bool(rng.random() < 0.7))
    return b.conv(x, int(rng.integers(3, 18)), kernel, stride, relu=bool(rng.random() < 0.5))


def drawn_program(seed: int) -> tuple[Program, int]:
    """And the number of its classes."""
    rng = np.random.default_rng(seed)
    graph = drawn_net(rng)
    update, scheme = str(rng.choice(UPDATES)), str(rng.choice(SCHEMES))
    gradients = str(rng.choice(["int8", "int8", "int16"]))
    return program_of(graph, update, gradients, scheme), graph.outputs[0].type.shape[-1]


def trained(seed: int, place: str) -> dict[str, np.ndarray]:
    """What every step puts out, the states after the last, and a prediction."""
    program, classes = drawn_program(seed)
    session = opened(program, place)
    found = {}
    try:
        for k, batch in enumerate(int8_batches(program.graph, STEPS, 0.05, classes)):
            found |= {f"{name}@{k}": array for name, array in session.train_step(batch).items()}
        found |= session.states()
        found |= {f"inferred {name}": array for name, array in session.infer({"x": batch["x"]}).items()}
    finally:
        session.close()
    return found


@pytest.mark.parametrize("place", ["c_host", "tvm"])
@pytest.mark.parametrize("seed", SEEDS)
def test_steps_are_those_of_the_reference(seed, place):
    expected, found = trained(seed, "reference"), trained(seed, place)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_the_programs_differ_and_learn():
    programs = [drawn_program(seed)[0] for seed in SEEDS]
    assert len({str(p.graph) for p in programs}) == len(SEEDS)
    ops = {n.op for p in programs for n in p.graph.nodes}
    assert {"qadd", "qdense", "qdepthwise_conv2d_weight_grad", "master_sgd", "quantized_sgd", "accumulate"} <= ops
