"""Runs passes, and distrusts them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradlet.ir.errors import CompileError
from gradlet.ir.files import write_bytes
from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context, Pass
from gradlet.ir.printer import print_graph
from gradlet.ir.verifier import verify
from gradlet.optimizers.pipelines import print_pass


@dataclass(frozen=True)
class PassRecord:
    """What one pass did.

    Attributes:
        text: The pass with its options.
        nodes: How many there are after it.
    """

    text: str
    changed: bool
    seconds: float
    nodes: int


@dataclass
class PassManager:
    """Applies passes in order, verifying after each.

    Attributes:
        dump_dir: Where the graph is printed after each pass, in numbered files.
        check: Called with the pass (None: before the first one) and the graph as it is then; raises if the numbers
            are not what they were. The reference executor is not known here: who calls brings it.
        stop_after: Name of the last pass to run.
        skip: Names of passes to leave out.
        progress: Told about each pass when it is done.
    """

    context: Context
    passes: Sequence[Pass]
    dump_dir: Path | None = None
    check: Callable[[Pass | None, Graph], None] | None = None
    stop_after: str | None = None
    skip: Collection[str] = ()
    progress: Callable[[PassRecord], None] | None = None
    records: list[PassRecord] = field(default_factory=list)

    def run(self, graph: Graph) -> list[PassRecord]:
        """Changes the graph; returns what each pass did."""
        verify(graph, self.context.ops)
        self._observe(0, None, graph)
        for index, pass_ in enumerate(self._chosen(), 1):
            self._apply(pass_, graph)
            self._observe(index, pass_, graph)
        return self.records

    def _chosen(self) -> list[Pass]:
        names = [p.name for p in self.passes]
        for name in [*self.skip, *([self.stop_after] if self.stop_after else [])]:
            if name not in names:
                raise CompileError(
                    "GL213", f"there is no pass {name!r} here", hint=f"passes: {', '.join(dict.fromkeys(names))}"
                )
        if self.stop_after:
            last = len(names) - names[::-1].index(self.stop_after)
            return [p for p in self.passes[:last] if p.name not in self.skip]
        return [p for p in self.passes if p.name not in self.skip]

    def _apply(self, pass_: Pass, graph: Graph) -> None:
        before, plan = _fingerprint(graph), graph.plan
        start = time.perf_counter()
        changed = pass_.run(graph, self.context)
        seconds = time.perf_counter() - start
        told = "changed" if changed else "did not change"
        assert changed == (_fingerprint(graph) != before), f"{pass_.name} says that it {told} the graph\n{graph}"
        if changed and graph.plan is plan:
            graph.plan = None  # it was made for another schedule
        verify(graph, self.context.ops)
        self.records.append(PassRecord(print_pass(pass_), changed, seconds, len(graph.nodes)))
        if self.progress:
            self.progress(self.records[-1])

    def _observe(self, index: int, pass_: Pass | None, graph: Graph) -> None:
        if self.dump_dir:
            name = f"{index:02d}_{pass_.name if pass_ else 'input'}.txt"
            write_bytes(self.dump_dir / name, print_graph(graph).encode())
        if self.check:
            self.check(pass_, graph)


def _fingerprint(graph: Graph) -> tuple[object, ...]:
    """Everything that a pass may change: the text, the plan, and which arrays the states hold."""
    kernels = [(n.choice.kernel, n.choice.scratch_bytes) if n.choice else None for n in graph.nodes]
    return print_graph(graph), graph.plan, kernels, [id(state.init) for state in graph.states]
