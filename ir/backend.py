"""What a backend is: it turns a program into files, and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Artifact:
    """The files of a compiled program by name, and facts about them; a backend never writes to disk."""

    files: Mapping[str, bytes]
    report: Mapping[str, Any] = field(default_factory=dict)


class Session(Protocol):
    """A program that runs: on this machine, or on an emulated device.

    Inputs and outputs are named as in the graph; arrays have the shapes and element types of the IR.
    """

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs `program.infer` (or `program.graph`, when it does not train) and returns its outputs."""

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs `program.graph` once, `lr` being one of its inputs; returns its outputs and changes the states."""

    def states(self) -> dict[str, np.ndarray]:
        """A copy of every state, in the IR's layout."""

    def set_states(self, states: Arrays) -> None:
        """Overwrites the named states that the program can change."""

    def close(self) -> None:
        """Frees what the session holds; it cannot be used afterwards."""


@dataclass(frozen=True)
class Backend:
    """A way to run programs.

    Attributes:
        name: As users write it.
        emit: The program as files for the target.
        open: The program, ready to run on the target or its emulator.
        choose: Writes a `KernelChoice` to every node, which a memory plan has to know; for backends whose kernels
            need working memory in the arena.
    """

    name: str
    emit: Callable[[Program, Target, Toolbox], Artifact]
    open: Callable[[Program, Target, Toolbox], Session]
    choose: Callable[[Program, Target, Toolbox], None] = lambda program, target, toolbox: None
