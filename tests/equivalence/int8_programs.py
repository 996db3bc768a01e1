"""Small int8 networks as training programs, and the places where they run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.graph import Graph, State
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize, replan
from gradlet.tests.int8_models import images
from gradlet.tools.api import context_of, load

TOOLS = load(installed=False)
# Name -> backend and target.
PLACES = {
    "reference": ("reference", "x86_64"),
    "c_host": ("tinyengine", "x86_64"),
    "c_cortex_m7": ("tinyengine", "stm32f746"),
    "tvm": ("tvm", "x86_64"),
}
AMPLE = 16 << 20
# So large that a float master shows nothing but the gradient.
LOUD = 1e3


def program_of(graph: Graph, update: str = "sgd", gradients: str = "int8", scheme: str = "full") -> Program:
    options = {
        "quantize_gradients": {"dtype": gradients},
        "differentiate": {"update": update},
        "sparse_update": {"scheme": scheme},
    }
    reference = context_of(TOOLS, TOOLS.get("targets", "x86_64"), TOOLS.get("backends", "reference"))
    return optimize(Program(clone(graph)), reference, options=options)


def target_of(place: str) -> Target:
    """With memories that are large enough for all nets."""
    target = TOOLS.get("targets", PLACES[place][1])
    if target.sram is None:
        return target
    return replace(target, sram=replace(target.sram, bytes=AMPLE), flash=replace(target.flash, bytes=AMPLE))


def opened(program: Program, place: str) -> Session:
    backend, target = TOOLS.get("backends", PLACES[place][0]), target_of(place)
    replan(program, context_of(TOOLS, target, backend))
    return backend.open(program, target, TOOLS)


def one_batch(graph: Graph, lr: float = 0.01, classes: int = 5) -> dict[str, np.ndarray]:
    """As a training step takes it."""
    (x,), rng = graph.inputs, np.random.default_rng(3)
    label = rng.integers(0, classes, x.type.shape[0]).astype(np.int32)
    return {"x": images(x.type, 42), "label": label, "lr": np.asarray(lr, np.float32)}


def quantized_states(graph: Graph) -> list[State]:
    return [s for s in graph.states if s.trainable and s.value.type.quant]


def scaled(state: State, gradient: np.ndarray) -> np.ndarray:
    """Quantisation-aware scaling, written down once more."""
    quant = state.value.type.quant
    scale = np.array(quant.scale).reshape([-1 if a == quant.axis else 1 for a in range(gradient.ndim)])
    return gradient / scale**2
