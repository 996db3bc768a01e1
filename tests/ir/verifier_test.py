"""Each rule of the verifier is broken once, and noticed."""

import re

import pytest

from gradlet.ir.graph import Phase
from gradlet.ir.tensor_type import f32
from gradlet.ir.verifier import verify
from gradlet.tests.ir.small_graph import step, toolbox


@pytest.fixture(scope="module")
def tools():
    return toolbox()


@pytest.fixture
def graph(tools):
    return step(tools)


def node(graph, op):
    return next(n for n in graph.nodes if n.op == op)


def test_the_step_is_in_order(graph, tools):
    verify(graph, tools.ops)


def swap_first_two(graph):
    graph.nodes[:2] = graph.nodes[1::-1]


def change_a_type(graph):
    graph.nodes[0].outputs[0].type = f32(4, 9)


def forget_a_user(graph):
    graph.inputs[0].users.clear()


def name_twice(graph):
    graph.nodes[1].outputs[0].name = "0"


def hide_the_overwriting(graph):
    node(graph, "sgd").outputs[0].overwrites = None


def read_after_the_update(graph):
    graph.nodes.insert(1, graph.nodes.pop())
    moved = node(graph, "sgd")
    gradient = moved.inputs[1]
    graph.inputs.append(gradient)
    gradient.producer.outputs.remove(gradient)


def update_in_the_forward(graph):
    node(graph, "sgd").phase = Phase.FORWARD


def forward_reads_backward(graph):
    node(graph, "dense_weight_grad").phase = Phase.FORWARD


def return_what_is_gone(graph):
    graph.outputs.append(node(graph, "sgd").inputs[0])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (swap_first_two, "reads %0 before it is written"),
        (change_a_type, "should yield f32[4,8]"),
        (forget_a_user, "%x does not know its users"),
        (name_twice, "two values are called %0"),
        (hide_the_overwriting, "its op promises %head.weight"),
        (read_after_the_update, "has overwritten"),
        (update_in_the_forward, "forward and reads"),
        (forward_reads_backward, "of the backward phase"),
        (return_what_is_gone, "is not there at the end"),
    ],
)
def test_broken_rules_are_noticed(graph, tools, damage, complaint):
    damage(graph)
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        verify(graph, tools.ops)
