"""Decides which nodes of a float graph become int8, and which of their tensors have one scale."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gradlet.ir.graph import Node, Value
from gradlet.optimizers.linear_ops import only_user
from gradlet.optimizers.quantization.rule import Rule, Setting, clamp_of


@dataclass(eq=False)
class Plan:
    """What becomes int8.

    Attributes:
        rules: Node -> how it is converted; all others stay in float32.
        reasons: Node that stays -> why.
        folded: Clamp -> the node before it that does its work.
        roots: int8 tensor -> the one that stands for all tensors of its scale.
        measured: Those whose ranges decide, in the order of the graph.
    """

    rules: dict[Node, Rule] = field(default_factory=dict)
    reasons: dict[Node, str] = field(default_factory=dict)
    folded: dict[Node, Node] = field(default_factory=dict)
    roots: dict[Value, Value] = field(default_factory=dict)
    measured: list[Value] = field(default_factory=list)

    def root(self, value: Value) -> Value:
        while self.roots[value] is not value:
            value = self.roots[value]
        return value

    def result(self, node: Node) -> Value:
        """The tensor whose range the result of a node has: that of the clamp behind it, if it does its work."""
        return next((clamp.outputs[0] for clamp, maker in self.folded.items() if maker is node), node.outputs[0])


def make_plan(setting: Setting, rules: Mapping[str, Rule], kept: Collection[Node] = ()) -> Plan:
    """The plan for `setting.graph`, in which the nodes `kept` stay in float32."""
    plan, graph = Plan(), setting.graph
    int8: set[Value] = {v for v in graph.inputs if v.type.dtype.is_float}
    for node in graph.nodes:
        maker = _does_the_work(node, plan, setting)
        if maker:
            plan.folded[node] = maker
            int8.add(node.outputs[0])
            continue
        rule = rules.get(node.op)
        reason = _reason(node, rule, setting, kept, int8)
        if rule is None or reason:
            plan.reasons[node] = reason
            continue
        plan.rules[node] = rule
        int8.update(node.outputs)
    _group(plan, setting)
    return plan


def _reason(node: Node, rule: Rule | None, setting: Setting, kept: Collection[Node], int8: Collection[Value]) -> str:
    """Why a node stays in float32."""
    if rule is None:
        return "has no form on int8"
    if node in kept:
        return "is the head"
    if not all(v.type.dtype.is_float for v in (*rule.activations(node), *node.outputs)):
        return "is not about floats"
    if not rule.starts and not any(v in int8 for v in rule.activations(node)):
        return "follows on float32"
    return rule.refuses(node, setting)


def _does_the_work(node: Node, plan: Plan, setting: Setting) -> Node | None:
    """The node before a clamp, if it ends its results where the clamp does."""
    interval = clamp_of(node)
    maker = node.inputs[0].producer if interval else None
    if interval is None or maker is None or not setting.ends_anywhere or interval[0] > 0 or interval[1] < 0:
        return None
    rule = plan.rules.get(maker)
    alone = only_user(maker.outputs[0], setting.graph.outputs) is node
    return maker if rule and rule.clamps and alone else None


def _group(plan: Plan, setting: Setting) -> None:
    """Joins tensors of one scale; what is not computed from others of its group is measured."""
    for node in setting.graph.nodes:
        rule = plan.rules.get(node)
        if rule is None:
            continue
        for value in rule.activations(node):
            if value not in plan.roots:
                plan.roots[value] = value
                plan.measured.append(value)
        if rule.shares_scale:
            first, *others = dict.fromkeys((*rule.activations(node), *node.outputs))
            for other in others:
                plan.roots[plan.root(other) if other in plan.roots else other] = plan.root(first)
        else:
            value = plan.result(node)
            plan.roots[value] = value
            plan.measured.append(value)
