"""Asks the backend which kernel runs each node, and how much working memory it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context


@dataclass(frozen=True)
class ChooseKernels:
    """Sets `Node.choice`; a backend that runs everything in one way leaves it alone."""

    name: ClassVar[str] = "choose_kernels"

    def run(self, graph: Graph, context: Context) -> bool:
        before = [node.choice for node in graph.nodes]
        context.choose(graph)
        return [node.choice for node in graph.nodes] != before


PASS = ChooseKernels
