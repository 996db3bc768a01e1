"""A training program: what one compilation makes, and what a stage hands to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradlet.ir.graph import Graph


@dataclass
class Program:
    """A graph and the decisions taken about it so far.

    Attributes:
        graph: The training step; before differentiation the forward pass.
        infer: The inference that belongs to it, made at the end from the forward phase of `graph`; its states have
            the names (and the storage) of those of `graph`. None before that.
        pipeline: Passes applied, in order, as text.
        metadata: Facts for tools that follow the model: labels, normalisation. Strings only. `note`: lines that the
            frontend wants its user to read.
    """

    graph: Graph
    infer: Graph | None = None
    pipeline: list[str] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def graphs(self) -> list[Graph]:
        return [g for g in (self.graph, self.infer) if g is not None]

    @property
    def trains(self) -> bool:
        """Whether the graph changes a parameter."""
        return any(n.phase.value == "update" for n in self.graph.nodes)
