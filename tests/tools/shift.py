"""A plugin with a pass that is wrong: it scales the first activation."""

from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Plugin


@dataclass(frozen=True)
class Shift:
    """Makes every graph wrong."""

    name: ClassVar[str] = "gradlet_test_shift"

    def run(self, graph: Graph, context: Context) -> bool:
        first = graph.nodes[0]
        users = list(first.outputs[0].users)
        wrong = Emit(context.ops, graph, index=1)("scale", first.outputs[0], factor=1.5)
        graph.replace_uses(first.outputs[0], wrong, users)
        return True


PLUGIN = Plugin("shift", passes={"gradlet_test_shift": "gradlet.tests.tools.shift:Shift"})
