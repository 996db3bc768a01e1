"""Where in a parameter and its moments an update writes, and when: the arguments that update kernels share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradlet.ir.graph import Node, Region, Value
from gradlet.ir.updates import moment_region, region


def place(node: Node) -> tuple[int, int, int, int, int]:
    """outer, axis, begin, end, inner: the parameter seen as [outer, axis, inner], of which [:, begin:end, :] learns."""
    shape = node.inputs[0].type.shape or (1,)
    part = region(node.attrs) or Region(0, 0, shape[0])
    outer, inner = math.prod(shape[: part.axis]), math.prod(shape[part.axis + 1 :])
    return outer, shape[part.axis], part.begin, part.end, inner


def moment_place(node: Node, moment: Value) -> tuple[int, int]:
    """axis, begin: the same of a moment, which has the other sizes of the parameter."""
    shape, whole = moment.type.shape or (1,), region(node.attrs) or Region(0, 0, 0)
    part = moment_region(node.attrs)
    return shape[whole.axis], part.begin if part else 0


def accumulation(micro: Sequence[Value], node: Node) -> tuple[Value | None, int]:
    """The counter of accumulated steps, if there is one, and how many make an update."""
    return (micro[0], node.attrs["every"]) if micro else (None, 1)
