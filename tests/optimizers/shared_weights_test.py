"""A weight that two layers share is not divided into more parts than each of them takes."""

from gradlet.ir.graph import Graph, Region
from gradlet.tests.int8_models import Int8Builder
from gradlet.tests.small_models import apply


def shared() -> Graph:
    """Two layers with one weight in two states, of each of which the middle learns."""
    b = Int8Builder("shared", 1, 4, 4, 8)
    x = b.x
    for name in ("first", "second"):
        b.emit.loc = name
        x = b.conv(x, 8, parts=(4, 4))
    first, second = b.graph.nodes
    for old, new in zip(second.inputs[1:3], first.inputs[1:3], strict=True):
        b.graph.replace_uses(old, new)
        b.graph.states[:] = [s for s in b.graph.states if s.value is not old]
        state = b.graph.state_of(new)
        assert state
        state.region = Region(3, 1, 3)
    b.emit.loc = "head"
    return b.done(b.head(b.pool(x), 3))


def test_the_parts_of_a_shared_weight_are_counted_once():
    graph = apply(shared(), "split_weights{max_parts=3}")
    assert [n.attrs["parts"] for n in graph.nodes if n.op == "qconv2d"] == [3, 3]
