"""Every example of every op, against its meaning in numpy, in memory of its own and over its operands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from gradlet.backends.tvm.build import build
from gradlet.backends.tvm.calls import calls
from gradlet.backends.tvm.layout import places
from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.tests.backends.tvm.plans import overlays, planned
from gradlet.tests.ops.cases import CASES, OPS, TOOLBOX, Case

LAYOUTS: list[tuple[Case, Mapping[int, int]]] = [(c, o) for c in CASES for o in ({}, *overlays(c))]


def _name(layout: tuple[Case, Mapping[int, int]]) -> str:
    case, overlay = layout
    return "-".join([str(case), *(f"{o}over{i}" for o, i in overlay.items())])


@pytest.fixture(scope="module", autouse=True)
def _built_at_once():
    """One module for all: much quicker than one for each."""
    kernels, graphs = TOOLBOX.kernels("tvm"), [planned(*layout) for layout in LAYOUTS]
    wanted = [c for g in graphs if g.nodes[0].op in kernels for c in calls(g, kernels, places(g, g.plan))]
    build((call.kernel, call.case) for call in wanted)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_has_a_kernel(op):
    assert op.name in TOOLBOX.kernels("tvm")


@pytest.mark.parametrize("layout", LAYOUTS, ids=_name)
def test_example_is_what_numpy_says(layout):
    case, overlay = layout
    graph = planned(case, overlay)
    arguments = dict(zip(graph.nodes[0].inputs, case.arguments(), strict=True))
    session = TvmSession(Program(graph), TOOLBOX)
    got = session.train_step({v.name: arguments[v] for v in graph.inputs})
    expected = case.op.evaluate(case.arguments(), case.example.attrs)
    for value, wanted in zip(graph.nodes[0].outputs, expected, strict=True):
        compare(got[value.name], np.asarray(wanted))
    assert session.arena.intact


def compare(got: np.ndarray, wanted: np.ndarray) -> None:
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted)
    else:
        # Relative to the largest element: sums that cancel keep the rounding of what they are sums of.
        scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize(("op", "attrs"), [("relu", {}), ("clip", {"lo": -1.0, "hi": 1.0})])
def test_not_a_number_stays_visible(op, attrs):
    graph = Graph("nan")
    graph.outputs = [Emit(TOOLBOX.ops, graph)(op, graph.add_input("x", f32(3)), **attrs)]
    (y,) = TvmSession(Program(graph), TOOLBOX).infer({"x": np.array([np.nan, -2, 0.5], np.float32)}).values()
    assert np.isnan(y).tolist() == [True, False, False]
