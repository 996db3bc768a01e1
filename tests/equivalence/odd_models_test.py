"""Models with unusual wiring train alike on every backend of this machine, and as PyTorch trains them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gradlet.frontends.pytorch.importer import import_module
from gradlet.frontends.pytorch.layouts import to_ir
from gradlet.ir.backend import Backend
from gradlet.ir.graph import Graph, Value
from gradlet.ir.options import Call
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import replan
from gradlet.tests import witness
from gradlet.tools.api import Options, compile_program, context_of, load

TOOLS = load(installed=False)
BACKENDS = ("reference", "tinyengine", "tvm")
STEPS, CLASSES = 5, 4

Step = tuple[np.ndarray, np.ndarray]


class Shared(nn.Module):
    """One weight is used by two layers, and transposed by a product."""

    def __init__(self):
        super().__init__()
        self.twice, self.head = nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = torch.relu(self.twice(torch.relu(self.twice(x))))
        return self.head(x @ self.twice.weight)


class SharedBeforeNorms(nn.Module):
    """A convolution that two batch norms follow cannot take either of them in."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Linear(3, CLASSES)
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def forward(self, x):
        for norm in self.norms:
            x = torch.relu(norm(self.conv(x)))
        return self.head(x.mean((2, 3)))


class Returned(nn.Module):
    """Activations are outputs and go on; one is returned twice, and so are the input and a parameter."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(8, 8), nn.Linear(8, 6), nn.Linear(6, CLASSES)

    def forward(self, x):
        first = torch.relu(self.a(x))
        second = functional.relu6(self.b(first))
        return first, self.head(second), second, first, x, self.head.bias


class WithItself(nn.Module):
    """A value is added to and multiplied with itself, and concatenated with parts of itself."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(9, 6, 1), nn.Linear(6, CLASSES)

    def forward(self, x):
        x = torch.relu(self.a(x))
        x = x + x
        x = self.b(torch.cat([x, x[:, 3:]], 1))
        return self.head(functional.relu6(x + x * x).mean((2, 3)))


class Statistics(nn.Module):
    """Batch norms learn their statistics."""

    def __init__(self):
        super().__init__()
        self.a, self.depthwise = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, groups=6)
        self.norms = nn.ModuleList(nn.BatchNorm2d(6) for _ in range(2))
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = torch.relu(self.norms[0](self.a(x)))
        return self.head(functional.relu6(self.norms[1](self.depthwise(x))).mean((2, 3)))


class Bare(nn.Module):
    """No parameters before the head."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x):
        return self.head(torch.flatten(functional.avg_pool2d(torch.relu(x), 4), 1))


class Unflattened(nn.Module):
    """A convolution behind a vector."""

    def __init__(self):
        super().__init__()
        self.a, self.conv, self.head = nn.Linear(8, 48), nn.Conv2d(3, 5, 3), nn.Linear(20, CLASSES)

    def forward(self, x):
        image = torch.relu(self.a(x)).reshape(-1, 3, 4, 4)
        return self.head(torch.flatten(torch.relu(self.conv(image)), 1))


class Attention(nn.Module):
    """A Vision Transformer of one block: patches, a class token, positions, attention, layer norms."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.token, self.places = (nn.Parameter(0.1 * torch.randn(1, n, 8)) for n in (1, 10))
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        patches = self.patches(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(patches), -1, -1), patches], 1) + self.places
        seen = self.norms[0](x)
        x = x + self.attention(seen, seen, seen, need_weights=False)[0]
        x = x + self.mlp(self.norms[1](x))
        return self.head(self.norms[2](x)[:, 0])


class Images(nn.Module):
    """An autoencoder: its targets are images."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        small = torch.relu(self.down(x))
        return torch.sigmoid(self.up(functional.interpolate(small, scale_factor=2, mode="bilinear")))


class FrozenNorm(nn.Module):
    """A frozen batch norm, which is folded, below layers that learn."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.b, self.head = nn.Conv2d(6, 6, 1), nn.Linear(6, CLASSES)
        for tensor in (self.norm.weight, self.norm.running_var):
            nn.init.uniform_(tensor, 0.5, 2)
        for tensor in (self.norm.bias, self.norm.running_mean):
            nn.init.uniform_(tensor)
        for parameter in (*self.a.parameters(), *self.norm.parameters()):
            parameter.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.relu(self.b(torch.relu(self.norm(self.a(x))))).mean((2, 3)))


@dataclass(frozen=True)
class Case:
    """How a module is trained."""

    module: Callable[[], nn.Module]
    shape: tuple[int, ...]
    scheme: str = "full"
    update: str = "sgd"
    options: dict[str, Any] = field(default_factory=dict)
    loss: str = "softmax_cross_entropy"
    prediction: int = 0
    lr: float = 0.05
    trains: bool = False  # the mode of the module

    @property
    def update_text(self) -> str:
        return str(Call(self.update, tuple(self.options.items())))


ACCUMULATED = {"every": 2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
DECOUPLED = {"weight_decay": 0.05, "decoupled": True}
HALF = "last_2{ratio=0.5}"
CASES = {
    "shared": Case(Shared, (3, 8)),
    "shared_half": Case(Shared, (3, 8), HALF, "momentum", ACCUMULATED),
    "shared_biases": Case(Shared, (3, 8), "bias_only"),
    "shared_before_norms": Case(SharedBeforeNorms, (2, 3, 6, 6)),
    "returned": Case(Returned, (3, 8), prediction=1),
    "returned_half": Case(Returned, (3, 8), HALF, "adam", DECOUPLED, prediction=1, lr=0.01),
    "with_itself": Case(WithItself, (1, 3, 5, 5)),
    "with_itself_half": Case(WithItself, (7, 3, 5, 5), HALF, "momentum", ACCUMULATED),
    "statistics": Case(Statistics, (4, 3, 7, 7), trains=True),
    "statistics_half": Case(Statistics, (4, 3, 7, 7), HALF, trains=True),
    "bare": Case(Bare, (1, 3, 8, 8), "head_only"),
    "unflattened_half": Case(Unflattened, (3, 8), "full{ratio=0.5,criterion=magnitude-}"),
    "attention": Case(Attention, (2, 3, 6, 6)),
    "attention_half": Case(Attention, (2, 3, 6, 6), HALF, "adam", DECOUPLED, lr=0.01),
    "images": Case(Images, (2, 3, 6, 6), loss="mse", lr=1.0),
    "images_half": Case(Images, (2, 3, 6, 6), "last_1{ratio=0.5}", "adam", loss="mse", lr=0.01),
    "frozen_norm": Case(FrozenNorm, (2, 3, 6, 6)),
}


def _drawn(shape: tuple[int, ...], label: bool, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, CLASSES, shape).astype(np.int32) if label else rng.normal(size=shape).astype(np.float32)


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected)) / (np.max(np.abs(expected)) or 1))


@pytest.mark.parametrize("name", CASES)
def test_training_agrees_with_pytorch(name):
    case = CASES[name]
    torch.manual_seed(1)
    module = case.module().train(case.trains)
    program = import_module(module, (torch.randn(case.shape),), name="net", toolbox=TOOLS)
    chosen = {"scheme": case.scheme, "update": case.update_text, "loss": case.loss, "prediction": case.prediction}
    compile_program(program, Options(target="x86_64", backend="reference", check=True, **chosen), TOOLS)
    graph = program.graph
    target = _target(graph)
    # The layout of PyTorch, for both.
    of_target = case.shape if len(target.type.shape) == 4 else target.type.shape
    steps = [(_drawn(case.shape, False, k), _drawn(of_target, target.name == "label", -k % 99)) for k in range(STEPS)]
    expected = witness.train(
        module,
        steps,
        loss=case.loss,
        update=case.update,
        lr=case.lr,
        options=case.options,
        learn=witness.masks_of(graph),
        prediction=case.prediction,
    )
    states = witness.expected_states(graph, expected)
    assert {s.name for s in graph.states if s.trainable} <= set(states)
    for backend in (TOOLS.get("backends", name) for name in BACKENDS):
        losses, found = _trained(program, backend, steps, case.lr)
        np.testing.assert_allclose(losses, expected.losses, rtol=1e-4, err_msg=backend.name)
        errors = {state: _relative(found[state], array) for state, array in states.items()}
        assert max(errors.values()) <= 1e-4, (backend.name, max(errors.items(), key=lambda item: item[1]))


def _trained(program: Program, backend: Backend, steps: list[Step], lr: float) -> tuple[list[float], dict[str, Any]]:
    """The losses and the states after these steps, which are in PyTorch's layout."""
    place, graph, losses = TOOLS.get("targets", "x86_64"), program.graph, []
    replan(program, context_of(TOOLS, place, backend))
    session = backend.open(program, place, TOOLS)
    for x, target in steps:
        image = np.ascontiguousarray(np.moveaxis(target, 1, -1)) if target.ndim == 4 else target
        feed = to_ir({graph.inputs[0].name: x}, program.metadata) | {_target(graph).name: image, "lr": np.float32(lr)}
        losses.append(float(session.train_step(feed)[graph.outputs[0].name]))
    states = session.states()
    session.close()
    return losses, states


def _target(graph: Graph) -> Value:
    return next(v for v in graph.inputs if v.name in ("label", "target"))
