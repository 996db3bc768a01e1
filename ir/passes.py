"""What a pass is: a frozen dataclass whose fields are its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from gradlet.ir.graph import Graph, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.plugin import Toolbox
from gradlet.ir.target import Target


@dataclass
class Context:
    """What a pass may ask for besides its graph.

    Attributes:
        choose: Writes the backend's `KernelChoice` to the nodes of a graph: a memory plan has to know working memory.
        notes: Lines for the user's report that passes add, e.g. what a scheme selected.
    """

    toolbox: Toolbox
    target: Target | None = None
    choose: Callable[[Graph], None] = lambda graph: None
    notes: list[str] = field(default_factory=list)

    @property
    def ops(self) -> OpSet:
        return self.toolbox.ops


class Pass(Protocol):
    """A rewrite of a graph, in place. Options are fields of a frozen dataclass; `name` is how pipelines call it.

    A pass that is meant to change the numbers says `keeps_numbers: ClassVar[bool] = False`.
    """

    name: ClassVar[str]

    def run(self, graph: Graph, context: Context) -> bool:
        """Returns whether anything changed."""


def keeps_numbers(pass_: Pass) -> bool:
    """Whether the graph computes the same after the pass, but for rounding."""
    return bool(getattr(pass_, "keeps_numbers", True))


class UpdateRule(Protocol):
    """How a parameter follows its gradient. A frozen dataclass: its fields are the options of the rule.

    `quantized_options: ClassVar[tuple[str, ...]]`, if there is one, names those that are for quantised parameters:
    whoever gives one where none learns is told so.
    """

    name: ClassVar[str]

    def emit(self, emit: Emit, parameter: Value, gradient: Value, lr: Value) -> Sequence[Value]:
        """Emits the update of `parameter`, adds the states it needs to `emit.graph`, returns the new values.

        `gradient` has the shape of the parameter, or of its region (`emit.graph.state_of(parameter).region`).
        """
