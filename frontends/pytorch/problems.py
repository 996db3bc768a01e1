"""Everything in a module that cannot be imported, told at once."""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node

from gradlet.frontends.pytorch.places import place
from gradlet.ir.errors import CompileError

_BATCH_NORM = "aten._native_batch_norm_legit_functional.default"


class Problems:
    """Operators without a converter, or used in a way that theirs does not know."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], list[str]] = {}  # (operator, reason) -> where

    def add(self, node: Node, reason: str) -> None:
        self._places.setdefault((str(node.target), reason), []).append(place(node))

    def check(self) -> None:
        """Raises GL105 if there is any."""
        if not self._places:
            return
        lines = [
            f"{target}{': ' if reason else ''}{reason} at {', '.join(places)}"
            for (target, reason), places in self._places.items()
        ]
        count = f"{len(lines)} unsupported operator{'s' if len(lines) > 1 else ''}"
        first = next(iter(self._places.values()))[0]
        hint = "replace them in the module, or bring a converter in a plugin (`Plugin.converters`)"
        raise CompileError("GL105", "\n  ".join([f"{count}:", *lines]), first, hint)

    def check_mutations(self, exported: ExportedProgram, needed: set[Node]) -> None:
        """A buffer that forward changes is the running statistics of batch normalisation, or read by no output."""
        signature = exported.graph_signature
        nodes = {node.name: node for node in exported.graph.nodes}
        buffers = {spec.target: nodes[spec.arg.name] for spec in signature.input_specs if spec.target}
        for spec in signature.output_specs:
            if spec.kind is OutputKind.BUFFER_MUTATION and buffers[spec.target] in needed:
                maker = nodes[spec.arg.name]
                if not maker.args or str(getattr(maker.args[0], "target", "")) != _BATCH_NORM:
                    self.add(maker, f"changes buffer {spec.target}")
