"""Bisecting finds the first pass that changes a number, and none where there is none."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.passes import Context
from gradlet.optimizers.bisect import find_culprit
from gradlet.optimizers.pipelines import make_passes, parse_pipeline
from gradlet.tests.small_models import TOOLS, batches, conv_net


def _measure(graph):
    """The outputs of two runs; names that come and go are not compared."""
    executor = Executor(graph, TOOLS.ops)
    prediction = graph.outputs[-1]
    batch = next(batches(graph))
    first, second = executor.run(batch), executor.run(batch)
    found = {"prediction": first[prediction.name]}
    if "loss" in first:
        found |= {"loss": first["loss"], "next loss": second["loss"]}
    return found


@dataclass(frozen=True)
class Spoil:
    """A pass with a bug: it doubles what an op computes."""

    name: ClassVar[str] = "spoil"
    op: str

    def run(self, graph, context):
        for node in graph.nodes:
            if node.op == self.op:
                graph.replace_uses(node.inputs[0], node.inputs[-1], [node])
                return True
        return False


def _passes(text: str):
    return make_passes(TOOLS, parse_pipeline(text))


def test_no_culprit_in_the_pipelines():
    graph = conv_net()
    assert find_culprit(graph, Context(TOOLS), _passes("train"), _measure) is None


@pytest.mark.parametrize(
    ("before", "op", "after", "output"),
    [("fuse", "add", "differentiate,early_update", "prediction"), ("differentiate", "add", "early_update", "loss")],
)
def test_the_pass_with_the_bug_is_found(before, op, after, output):
    passes = [*_passes(before), Spoil(op), *_passes(after)]
    found = find_culprit(conv_net(), Context(TOOLS), passes, _measure)
    assert found is not None
    assert found.text == f"spoil{{op={op}}}"
    assert not np.allclose(found.before, found.after)
    assert found.output in ("prediction", output)
    assert found.printed[0] != found.printed[1]


def test_a_change_that_only_training_shows():
    passes = [*_passes("differentiate"), Spoil("dense_weight_grad_missing"), *_passes("dead_code")]
    assert find_culprit(conv_net(), Context(TOOLS), passes, _measure) is None


def test_within_the_tolerance_is_no_change():
    graph = conv_net(batch_norm=True)
    assert find_culprit(graph, Context(TOOLS), _passes("fold_batch_norm"), _measure) is None
    culprit = find_culprit(conv_net(batch_norm=True), Context(TOOLS), _passes("fold_batch_norm"), _measure, 0.0)
    assert culprit is not None
    assert culprit.text == "fold_batch_norm"
