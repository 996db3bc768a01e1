"""Imports modules and compares the programs with them."""

import copy
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.pytorch.importer import import_module
from gradlet.frontends.pytorch.layouts import to_ir, to_user
from gradlet.ir.graph import Graph
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify


@cache
def toolbox() -> Toolbox:
    return load(installed=False)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run(program: Program, inputs: dict[str, np.ndarray], *, float64: bool = False) -> dict[str, np.ndarray]:
    """Outputs of the program; inputs and outputs in PyTorch's layout."""
    verify(program.graph, toolbox().ops)
    executor = Executor(program.graph, toolbox().ops, float64=float64)
    return to_user(executor.run(to_ir(inputs, program.metadata)), program.metadata)


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest magnitude."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


def check(module: nn.Module, *samples: torch.Tensor, batch: int | None = None, mode: str = "eval") -> Program:
    """Imports the module, and asserts that the program does what the module does.

    In float32 they may differ by rounding; in float64 nothing but rounding is left to differ.
    """
    module.train(mode == "train")
    program = import_module(module, samples, toolbox=toolbox(), batch=batch)
    assert worst_error(program, module, *samples) < 1e-5
    assert worst_error(program, module, *samples, float64=True) < 1e-12
    return program


def worst_error(program: Program, module: nn.Module, *samples: torch.Tensor, float64: bool = False) -> float:
    """The relative error of the output where it is largest."""
    if float64:
        module, samples = copy.deepcopy(module).double(), tuple(s.double() for s in samples)
    else:
        module = copy.deepcopy(module)
    with torch.no_grad():
        expected = [t.numpy() for t in pytree.tree_leaves(module(*samples)) if isinstance(t, torch.Tensor)]
    names = [value.name for value in program.graph.inputs]
    inputs = {name: sample.numpy() for name, sample in zip(names, samples, strict=True)}
    actual = list(run(program, inputs, float64=float64).values())
    return max(relative_error(a, e) for a, e in zip(actual, expected, strict=True))


def ops_of(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


class Function(nn.Module):
    """A function of tensors as a module, with parameters it may use."""

    def __init__(self, function: Any, **parameters: torch.Tensor):
        super().__init__()
        self.function = function
        for name, tensor in parameters.items():
            self.register_parameter(name, nn.Parameter(tensor))

    def forward(self, *inputs):
        return self.function(*inputs, *self.parameters())
