"""A user's folder: models in Python, a saved program, plugins of their own; and the commands they type."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradlet.ir import files
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.tests.small_checkpoint import checkpoint, pickled, zipped
from gradlet.tests.small_models import TOOLS, mlp
from gradlet.tools import cli

MODELS = """
import torch
from torch import nn

class Strange(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x).real + torch.linalg.norm(x)

class Undecided(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

class Half(nn.Module):
    def forward(self, x):
        return x.half().float()

class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()

class Silent(nn.Module):
    def forward(self, x):
        return None

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)), torch.zeros(1, 3, 8, 8)

def strange():
    return nn.Sequential(nn.Linear(8, 8), Strange()), torch.zeros(1, 8)

def undecided():
    return Undecided(), torch.zeros(1, 8)

def half():
    return nn.Sequential(nn.Linear(8, 8), Half()), torch.zeros(1, 8)

def silent():
    return Silent(), torch.zeros(1, 8)

def double():
    return nn.Linear(8, 8).double(), torch.zeros(1, 8, dtype=torch.float64)

def frozen():
    return nn.Linear(8, 3).requires_grad_(False), torch.zeros(1, 8)

def images():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 3)), torch.zeros(1, 3, 8, 8)

def broken():
    return nn.Linear(8, WIDTH)

def number():
    return 3

def root():
    return nn.Sequential(nn.Conv2d(3, 8, 3), Root(), nn.Flatten(), nn.Linear(288, 10)), torch.zeros(1, 3, 8, 8)

def misfit():
    return nn.Linear(8, 3), torch.zeros(1, 9)
"""

PLUGIN = """
from pathlib import Path

import numpy as np

from gradlet.backends.tinyengine.kernel import Kernel, call
from gradlet.ir.elementwise import floats_of_one_shape
from gradlet.ir.op_def import Example, OpDef
from gradlet.ir.plugin import Plugin
from gradlet.ir.target import Memory, Target
from gradlet.ir.tensor_type import f32

OPS = OpDef("twice", floats_of_one_shape(1), lambda args, attrs: [2 * args[0]], examples=[Example([f32(2)])])
BARE = Target("bare", "a core without memories", "cortex-m7")
SMALL = Target(
    "small", "little of everything", "cortex-m4", frozenset({"dsp"}), Memory(0x2000_0000, 4096), Memory(0, 2048),
    stack_bytes=64,
)


def _lower(node):
    return call("twice_f32", node.outputs[0], node.inputs[0], node.outputs[0].type.size)


KERNELS = {"twice": Kernel(Path(__file__).with_suffix(".c"), _lower)}
PLUGIN = Plugin(
    "mine", ops=(f"{__name__}:OPS",), kernels={"tinyengine": (f"{__name__}:KERNELS",)},
    targets={"bare": f"{__name__}:BARE", "small": f"{__name__}:SMALL"},
)
NO_KERNEL = Plugin("mine", ops=(f"{__name__}:OPS",))
OLD = Plugin("mine", api=0)
SECOND_STM32 = Plugin("mine", targets={"stm32f746": f"{__name__}:SMALL"})
"""
KERNEL = """
static void twice_f32(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++)
        y[i] = 2.0f * x[i];
}
"""


class User:
    """Somebody in a folder of their own.

    Attributes:
        patch: Changes the user's machine: what is installed, where they stand.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.folder, self.patch = folder, patch
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setattr("gradlet.ir.plugin.entry_points", lambda group: [])  # whatever is installed here

    def types(self, *command: str) -> None:
        """Runs `gradlet ...`; its error is raised, not printed."""
        args = cli.parser().parse_args(command)
        args.main(args)

    def compiles(self, function: str, *options: str) -> None:
        """Compiles a function of models.py."""
        self.writes("models.py", MODELS)
        self.types("compile", f"models.py:{function}", *options)

    def writes(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def has_program(self, program: Program | None = None, **options: Any) -> Path:
        """`net.gradlet`: a forward graph of two dense layers."""
        path = self.folder / "net.gradlet"
        files.save(program or Program(mlp(4, 8, 3)), path, TOOLS.ops, **options)
        return path

    def has_checkpoint(self, content: Any = None) -> Path:
        """`net.pkl`: a small int8 network, or something else in its place."""
        path = self.folder / "net.pkl"
        path.write_bytes(zipped(pickled(content or checkpoint())))
        return path

    def has_tflite(self, data: bytes) -> Path:
        """`net.tflite`."""
        path = self.folder / "net.tflite"
        path.write_bytes(data)
        return path

    def has_plugin(self, kernel: str = KERNEL) -> str:
        """`mine.py`, a plugin with the op `twice`, and `mine.c`, its kernel; returns what --plugin wants."""
        self.writes("mine.py", PLUGIN)
        self.writes("mine.c", kernel)
        sys.modules.pop("mine", None)
        importlib.invalidate_caches()
        return "mine:PLUGIN"

    def doubles(self, kernel: str = KERNEL, *, weights: int = 0, then: str = "") -> tuple[Program, Toolbox]:
        """A program with the op of the plugin, written to `net.gradlet`; and what is loaded then.

        Args:
            kernel: C of the op.
            weights: Constants before it, in fours, that fill the flash.
            then: Another op after it.
        """
        tools = load([self.has_plugin(kernel)], installed=False)
        graph = Graph("doubling")
        emit = Emit(tools.ops, graph, loc="body.twice")
        x = graph.add_input("x", f32(4))
        if weights:
            w = graph.add_state("w", np.zeros((4, weights), np.float32), f32(4, weights))
            x = emit("matmul", emit("reshape", x, shape=(1, 4)), w)
        x = emit("twice", x)
        graph.outputs = [emit(then, x) if then else x]
        files.save(Program(graph), self.folder / "net.gradlet", tools.ops)
        return Program(graph), tools

    def emulates(self, kernel: str) -> None:
        """Runs `twice`, with this kernel, on an emulated device."""
        self.doubles(kernel)
        self.types("compile", "net.gradlet", "--scheme", "none", "--plugin", "mine:PLUGIN", "--emulate")
