"""Bounds every gradient before it is applied."""

from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph, Phase
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context


@dataclass(frozen=True)
class ClipGradients:
    """Clips each element of the gradient of each parameter.

    Attributes:
        limit: Largest magnitude that is let through.
    """

    name: ClassVar[str] = "clip_gradients"
    keeps_numbers: ClassVar[bool] = False
    limit: float = 1.0

    def run(self, graph: Graph, context: Context) -> bool:
        parameters = {s.value for s in graph.states if s.trainable}
        updates = [n for n in graph.nodes if n.phase is Phase.UPDATE and n.inputs[0] in parameters]
        for node in updates:
            place = graph.nodes.index(node)
            emit = Emit(context.ops, graph, Phase.BACKWARD, node.loc, place)
            clipped = emit("clip", node.inputs[1], lo=-self.limit, hi=self.limit)
            graph.replace_uses(node.inputs[1], clipped, [node])
        return bool(updates)
