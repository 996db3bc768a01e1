"""How an op becomes one on int8: what each entry of the tables in `rules/` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradlet.ir.activations import BOUNDS
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.op_def import OpSet
from gradlet.optimizers.quantization.options import QuantizeOptions

if TYPE_CHECKING:
    from gradlet.optimizers.quantization.convert import Conversion


@dataclass(frozen=True)
class Setting:
    """What decides whether a node can be converted, besides itself."""

    graph: Graph
    ops: OpSet
    options: QuantizeOptions

    @property
    def symmetric(self) -> bool:
        return self.options.activations != "asymmetric"

    @property
    def ends_anywhere(self) -> bool:
        """Whether results may end where a clamp behind their op does: at `y_min` and `y_max`, or at a zero point."""
        return self.options.bits == 16 or not self.symmetric


@dataclass(frozen=True)
class Rule:
    """The conversion of one op.

    Attributes:
        emit: Emits the op on int8; returns its results, of the scales that `Conversion.params` tells.
        refuses: Why a node has to stay in float32; "" where it need not.
        activations: The operands that become int8; the rest are states that `emit` looks at itself.
        shares_scale: Results and activations have one scale: elements move, or the largest is taken.
        starts: Becomes int8 also where no operand is yet, because that saves memory or time by itself.
        clamps: Its results end where `Conversion.result` says, so that a ReLU behind it needs no op of its own.
    """

    emit: Callable[[Conversion, Node], Sequence[Value]]
    refuses: Callable[[Node, Setting], str] = lambda node, setting: ""
    activations: Callable[[Node], Sequence[Value]] = lambda node: node.inputs
    shares_scale: bool = False
    starts: bool = False
    clamps: bool = False


def clamp_of(node: Node) -> tuple[float, float] | None:
    """The interval of an op that does nothing but clamp."""
    if node.op == "relu":
        return BOUNDS["relu"]
    return (node.attrs["lo"], node.attrs["hi"]) if node.op == "clip" else None
