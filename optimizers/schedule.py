"""Which orders of the nodes are allowed, and a search for one that keeps few bytes alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradlet.ir.graph import Graph, Node, Phase, Value, storage
from gradlet.ir.memory_plan import replaceable
from gradlet.ir.op_def import OpSet

WIDTH = 24  # partial orders that the search keeps


def predecessors(graph: Graph) -> dict[Node, set[Node]]:
    """For each node those that must run before it: makers of its operands, and readers of what it overwrites."""
    before: dict[Node, set[Node]] = {}
    for node in graph.nodes:
        waits = {v.producer for v in node.inputs if v.producer}
        overwritten = [v.overwrites for v in node.outputs if v.overwrites is not None]
        readers = {user for v in overwritten for user in v.users if user is not node}
        before[node] = waits | readers
    return before


def turns(graph: Graph) -> dict[Node, Node]:
    """Where a storage is overwritten part by part: for each node that only a later part needs, the update before.

    The parts of a gradient could be made in any order, and all before the first update. That needs more memory than
    one after the other, and a search would drown in such orders.
    """
    after: dict[Node, Node] = {}
    for node in (n for n in graph.nodes if n.phase is Phase.UPDATE):
        for earlier in (v.overwrites.producer for v in node.outputs if v.overwrites is not None):
            if earlier:
                after |= dict.fromkeys(_needed_only_by(node, earlier, graph), earlier)
    return after


def _needed_only_by(node: Node, earlier: Node, graph: Graph) -> list[Node]:
    found = [node]
    for user in found:
        makers = dict.fromkeys(v.producer for v in user.inputs if v.producer and v.producer is not earlier)
        found += [m for m in makers if all(set(v.users) == {user} and v not in graph.outputs for v in m.outputs)]
    return found[1:]


@dataclass(frozen=True)
class _Partial:
    """The beginning of a schedule: a set of nodes as bits, and what it costs.

    Attributes:
        done: Bit i: node i of the old order has run.
        ready: Those that may run next.
        alive: Bytes alive now.
        peak: Most bytes alive so far.
        area: Sum over the steps of the bytes alive.
        order: The nodes so far, as a linked list.
    """

    done: int
    ready: tuple[int, ...]
    alive: int
    peak: int
    area: int
    order: tuple[object, int] | None


Cost = Callable[[_Partial], tuple[int, ...]]


def low_now(partial: _Partial) -> tuple[int, ...]:
    """Prefers few bytes alive at this moment."""
    return partial.peak, partial.alive, partial.area


def low_so_far(partial: _Partial) -> tuple[int, ...]:
    """Prefers values that died early."""
    return partial.peak, partial.area, partial.alive


class Scheduler:
    """Facts about one graph, by the indices of its nodes, that the search asks for again and again."""

    def __init__(self, graph: Graph, ops: OpSet):
        self.nodes = list(graph.nodes)
        self.ops = ops
        index = {node: i for i, node in enumerate(self.nodes)}
        before = predecessors(graph)
        for node, earlier in turns(graph).items():
            before[node].add(earlier)
        self.waits = [sum(1 << index[p] for p in before[n]) for n in self.nodes]
        self.next: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for earlier in before[node]:
                self.next[index[earlier]].append(index[node])
        self.update = [n.phase is Phase.UPDATE for n in self.nodes]
        states = {s.value for s in graph.states}
        self.size = {v: 0 if storage(v) in states or v.overwrites is not None else v.type.bytes for v in graph.values()}
        forever = 1 << len(self.nodes)  # of outputs: a user that never runs
        self.users = {v: sum(1 << index[u] for u in set(v.users)) for v in graph.values()}
        for value in graph.outputs:
            self.users[value] |= forever
        self.start = sum(self.size[v] for v in graph.inputs)

    def search(self, prefix: int = 0, width: int = WIDTH, cost: Cost = low_now) -> list[Node]:
        """The order with the lowest peak found; the first `prefix` nodes stay where they are."""
        beam = [self._begin(prefix)]
        for _ in range(len(self.nodes) - prefix):
            follow: dict[int, _Partial] = {}
            for partial in beam:
                for child in self._children(partial):
                    other = follow.get(child.done)
                    if other is None or cost(child) < cost(other):
                        follow[child.done] = child
            beam = sorted(follow.values(), key=lambda p: (cost(p), p.done))[:width]
        return self._unrolled(min(beam, key=lambda p: (p.peak, p.area)))

    def _begin(self, prefix: int) -> _Partial:
        partial = _Partial(0, tuple(i for i, w in enumerate(self.waits) if not w), self.start, self.start, 0, None)
        for i in range(prefix):
            partial = self._run(partial, i)
        return partial

    def _children(self, partial: _Partial) -> list[_Partial]:
        for i in partial.ready:
            # An update allocates nothing and lets its gradient die: never wrong to do at once.
            if self.update[i]:
                return [self._run(partial, i)]
        children = [self._run(partial, i) for i in partial.ready]
        free = [c for c in children if c.peak == partial.peak and c.alive < partial.alive]
        return free[:1] or children

    def _run(self, partial: _Partial, i: int) -> _Partial:
        node, done = self.nodes[i], partial.done | 1 << i
        dying = {v for v in node.inputs if not self.users[v] & ~done}
        freed = sum(self.size[v] for v in dying)
        made = sum(self.size[v] for v in node.outputs)
        reused = self._reused(node, dying)
        scratch = node.choice.scratch_bytes if node.choice else 0
        unread = sum(self.size[v] for v in node.outputs if not self.users[v])
        during = partial.alive + made - reused + scratch
        alive = partial.alive + made - freed - unread
        ready = tuple(
            sorted({r for r in partial.ready if r != i} | {j for j in self.next[i] if not self.waits[j] & ~done})
        )
        return _Partial(done, ready, alive, max(partial.peak, during), partial.area + during, (partial.order, i))

    def _reused(self, node: Node, dying: set[Value]) -> int:
        """Bytes of outputs that go where a dying operand lies."""
        reused, left = 0, set(dying)
        for k, value in enumerate(node.outputs):
            home = next(
                (v for v in replaceable(node, k, self.ops) if v in left and self.size[v] >= self.size[value] > 0), None
            )
            if home is not None:
                left.discard(home)
                reused += self.size[value]
        return reused

    def _unrolled(self, partial: _Partial) -> list[Node]:
        order: list[Node] = []
        link: object = partial.order
        while isinstance(link, tuple):
            link, i = link
            order.append(self.nodes[i])
        return order[::-1]


def updates_moved_up(graph: Graph) -> list[Node]:
    """The present order with every update right after the last node it waits for."""
    before = predecessors(graph)
    order = list(graph.nodes)
    for node in [n for n in order if n.phase is Phase.UPDATE]:
        order.remove(node)
        last = max((order.index(n) for n in before[node]), default=-1)
        order.insert(last + 1, node)
    return order


def is_allowed(graph: Graph, order: Sequence[Node]) -> bool:
    """Whether an order of the nodes respects data and in-place writes."""
    before, step = predecessors(graph), {node: i for i, node in enumerate(order)}
    return all(step[p] < step[node] for node in graph.nodes for p in before[node])
