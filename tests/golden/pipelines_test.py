"""The printed graphs after every named pipeline, and the four update paradigms of a linear layer."""

import pytest

from gradlet.ir.graph import Graph, Region
from gradlet.ir.printer import print_graph
from gradlet.optimizers.memory_report import print_plan
from gradlet.optimizers.pipelines import NAMED
from gradlet.tests.golden_files import check_golden
from gradlet.tests.small_models import apply, compiled, conv_net, linear, mlp

# Nothing but what the update needs: no fusing, so that every operator can be seen to vanish.
PIPELINE = "differentiate,push_slices,dead_code,early_update"


def full() -> Graph:
    return linear()


def bias_only() -> Graph:
    graph = linear()
    graph.states[0].trainable = False
    return graph


def sparse_layer() -> Graph:
    graph = mlp(10, 20, 20)
    for state in graph.states[:2]:
        state.trainable = False
    return graph


def sparse_tensor() -> Graph:
    graph = linear()
    graph.states[0].region = Region(1, 0, 5)
    return graph


@pytest.mark.parametrize("paradigm", [full, bias_only, sparse_layer, sparse_tensor])
def test_update_paradigm(paradigm):
    graph = apply(paradigm(), PIPELINE)
    check_golden(f"update_paradigms/{paradigm.__name__}.txt", print_graph(graph))


@pytest.mark.parametrize("name", NAMED)
def test_named_pipeline(name):
    program = compiled(conv_net(batch_norm=True), name)
    parts = [part for g in program.graphs for part in (print_graph(g), print_plan(g.plan) if g.plan else "")]
    check_golden(f"pipelines/{name}.txt", "\n".join([f"// {' '.join(program.pipeline)}", *filter(None, parts), ""]))


def test_sparse_pipeline():
    scheme = {"scheme": "last_2{ratio=0.5}"}
    program = compiled(conv_net(), "train", sparse_update=scheme)
    check_golden("pipelines/train_sparse.txt", print_graph(program.graph) + print_plan(program.graph.plan) + "\n")
