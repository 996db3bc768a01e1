"""How a node runs in C: what a kernel file says, and how the emitter chooses; docs/adding_a_kernel.md shows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import KernelChoice, Node, Value
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType, TensorType


class Scratch:
    """The argument that stands for the kernel's working memory: `void *`, `Kernel.scratch` bytes."""


SCRATCH = Scratch()


@dataclass(frozen=True)
class Table:
    """A constant array in flash."""

    type: TensorType
    content: bytes

    @staticmethod
    def of(array: np.ndarray) -> Table:
        return Table(TensorType(DType(array.dtype.name), array.shape), array.tobytes())

    @property
    def array(self) -> np.ndarray:
        return np.frombuffer(self.content, self.type.dtype.numpy)


# A value is a pointer to its elements, None is NULL, a tuple a constant array of int.
Arg = Value | int | float | None | tuple[int, ...] | Table | Scratch


@dataclass(frozen=True)
class Call:
    """One call of a C function."""

    function: str
    args: tuple[Arg, ...]


def call(function: str, *args: Arg) -> Call:
    return Call(function, args)


@dataclass(frozen=True)
class Kernel:
    """One way to run an op.

    Attributes:
        source: The C file that defines the functions.
        lower: The call, or calls in order, that run a node.
        name: Among the kernels of the op.
        dtypes: Element types of the first operand (of the result, where there is none) that it is written for.
        applies: Whether it can run this node on this target: instruction set, shape, attributes.
        scratch: Bytes of working memory that it needs in the arena while the node runs.
    """

    source: Path
    lower: Callable[[Node], Call | Sequence[Call]]
    name: str = "portable"
    dtypes: Collection[DType] = (DType.F32,)
    applies: Callable[[Node, Target], bool] = lambda node, target: True
    scratch: Callable[[Node], int] = lambda node: 0

    def runs(self, node: Node, target: Target) -> bool:
        return leading_type(node) in self.dtypes and self.applies(node, target)

    def calls(self, node: Node) -> list[Call]:
        lowered = self.lower(node)
        return [lowered] if isinstance(lowered, Call) else list(lowered)

    def choice(self, node: Node) -> KernelChoice:
        return KernelChoice(f"{node.op}/{self.name}", self.scratch(node))


def leading_type(node: Node) -> DType:
    """The element type that kernels are told apart by."""
    return (node.inputs or node.outputs)[0].type.dtype


def beside(python_file: str) -> Path:
    """The C file of the same name: `_C = beside(__file__)`."""
    return Path(python_file).with_suffix(".c")


def kernels_of(op: str, toolbox: Toolbox) -> tuple[Kernel, ...]:
    """The kernels of an op, the preferred one first; a kernel file may give one, or a tuple of them."""
    found = toolbox.kernels("tinyengine").get(op, ())
    return (found,) if isinstance(found, Kernel) else tuple(found)


def choose(node: Node, target: Target, toolbox: Toolbox) -> Kernel:
    """The kernel that `node.choice` names, else the first that can run the node."""
    kernels = kernels_of(node.op, toolbox)
    if not kernels:
        hint = "add one, see docs/adding_a_kernel.md, or load the plugin that has it"
        raise CompileError("GL310", f"backend tinyengine has no kernel for {node.op}", node.loc, hint)
    able = [k for k in kernels if k.runs(node, target)]
    if not able:
        operands = ", ".join(str(v.type) for v in node.inputs or node.outputs)
        what = f"backend tinyengine: no kernel of {node.op} takes {operands} on {target.name}"
        hint = f"there is {_summary(kernels)}: change the model, or add a kernel (docs/adding_a_kernel.md)"
        raise CompileError("GL311", what, node.loc, hint)
    named = [k for k in able if node.choice and k.choice(node).kernel == node.choice.kernel]
    return (named or able)[0]


def _summary(kernels: Sequence[Kernel]) -> str:
    return ", ".join(f"{k.name} for {' '.join(t.value for t in k.dtypes)}" for k in kernels)


def choose_kernels(program: Program, target: Target, toolbox: Toolbox) -> None:
    """Writes the choice to every node: a memory plan has to know the working memory."""
    for graph in program.graphs:
        for node in graph.nodes:
            node.choice = choose(node, target, toolbox).choice(node)
