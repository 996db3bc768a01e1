"""Gradients in parts: a smaller arena, the same bits, and nothing divided for nothing."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.backend import Session
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.parser import parse_graph
from gradlet.ir.passes import Context
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.passes.split_updates import SplitUpdates
from gradlet.tests.random_graphs import draw
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, conv_net, mlp
from gradlet.tools.api import context_of

HOST = TOOLS.get("targets", "x86_64")
STEPS, O1 = 5, Build(("-O1",))
# As far as the pass comes in the named pipelines.
BEFORE = "sparse_update{%s},differentiate{update=%s},dead_code,push_slices,save_masks,fuse,dead_code"
HALF = "full{ratio=0.5}"
RULES = [
    "sgd",
    "sgd{weight_decay=0.01,every=2}",
    "momentum{nesterov=true,every=2}",
    "momentum{weight_decay=0.01}",
    "adam",
    "adam{weight_decay=0.1,decoupled=true}",
]


def _pool(b: Builder, x: Value) -> Value:
    return b.emit("avg_pool2d", x, kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0))


def lenet5(batch: int = 1) -> Graph:
    b = Builder("lenet5", batch, 28, 28, 1)
    b.emit.loc = "features.0"
    x = _pool(b, b.emit("tanh", b.conv(b.x, 6, 5, padding=(2, 2, 2, 2))))
    b.emit.loc = "features.1"
    x = b.emit("reshape", _pool(b, b.emit("tanh", b.conv(x, 16, 5))), shape=(batch, 400))
    for k, size in enumerate((120, 84, 10)):
        b.emit.loc = f"classifier.{k}"
        x = b.dense(x if k == 0 else b.emit("tanh", x), size)
    return b.done(x)


def digits(batch: int = 1) -> Graph:
    """Three convolutions for images of 8 x 8."""
    b = Builder("digits", batch, 8, 8, 1)
    x = b.x
    for k, size in enumerate((8, 16, 32)):
        b.emit.loc = f"features.{k}"
        x = b.emit("relu", b.conv(x, size, 3, strides=(2, 2) if k else (1, 1)))
    b.emit.loc = "classifier"
    return b.done(b.dense(b.emit("mean", x, axis=(1, 2)), 10))


def resnet8(batch: int = 1) -> Graph:
    b = Builder("resnet8", batch, 32, 32, 3)
    b.emit.loc = "first"
    x = b.emit("relu", b.conv(b.x, 16, 3))
    for k, size in enumerate((16, 32, 64)):
        strides = (2, 2) if k else (1, 1)
        b.emit.loc = f"stacks.{k}.0"
        y = b.emit("relu", b.conv(x, size, 3, strides=strides))
        b.emit.loc = f"stacks.{k}.1"
        y = b.conv(y, size, 3)
        b.emit.loc = f"stacks.{k}.shortcut"
        x = b.emit("relu", b.emit("add", y, b.conv(x, size, strides=strides) if k else x))
    b.emit.loc = "classifier"
    return b.done(b.dense(b.emit("mean", x, axis=(1, 2)), 10))


def square(batch: int = 1) -> Graph:
    return mlp(*[64] * 9, batch=batch)


MODELS = {"mlp": square, "lenet5": lenet5, "digits": digits, "resnet8": resnet8}


def compiled(graph: Graph, *, split: bool, backend: str = "reference", **options: Mapping[str, Any]) -> Program:
    context = context_of(TOOLS, HOST, TOOLS.get("backends", backend))
    skipped = () if split else ("split_updates",)
    return optimize(Program(clone(graph)), context, "train", options=options, skip=skipped)


def step(graph: Graph, update: str = "sgd", scheme: str = "full") -> Graph:
    return apply(graph, BEFORE % (f"scheme={scheme}", update))


def updates(graph: Graph) -> dict[str, list[Node]]:
    """The updates of each weight, in their order."""
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        name = node.inputs[0].name.partition("'")[0] if node.inputs else ""
        if node.op in ("sgd", "momentum", "adam", "accumulate") and name.endswith((".weight", ".accumulator")):
            found.setdefault(name, []).append(node)
    return found


def divided(graph: Graph) -> list[list[Node]]:
    return [nodes for nodes in updates(graph).values() if len(nodes) > 1]


# ------------------------------------------------------------------ memory


@pytest.mark.parametrize(("name", "times"), [("mlp", 4.5), ("lenet5", 4), ("digits", 2.5), ("resnet8", 1.1)])
def test_the_arena_shrinks(name, times):
    before, after = (compiled(MODELS[name](), split=split).graph.plan.arena_bytes for split in (False, True))
    assert before >= times * after


@pytest.mark.parametrize("scheme", ["full", "last_2", HALF, "bias_only"])
@pytest.mark.parametrize("graph", [digits(), conv_net(), mlp(6, 200, 3), lenet5(8)], ids=lambda g: g.name)
def test_the_arena_never_grows(graph, scheme):
    options = {"sparse_update": {"scheme": scheme}}
    before, after = (compiled(graph, split=split, **options).graph.plan.arena_bytes for split in (False, True))
    assert after <= before


@pytest.mark.parametrize(
    ("graph", "pass_"),
    [
        (digits(batch=64), SplitUpdates()),  # activations fill the arena
        (digits(), SplitUpdates(min_bytes=16384)),
        (digits(), SplitUpdates(max_parts=1)),
        (conv_net(), SplitUpdates()),  # all gradients are small
    ],
)
def test_nothing_is_divided_for_nothing(graph, pass_):
    graph = step(graph)
    text = str(graph)
    assert not pass_.run(graph, Context(TOOLS))
    assert str(graph) == text


def test_parts_are_few_and_not_small():
    graph, least, most = step(square()), 2048, 5
    assert SplitUpdates(most, least).run(graph, Context(TOOLS))
    assert max(len(nodes) for nodes in divided(graph)) in range(2, most + 1)
    assert min(n.inputs[1].type.bytes for nodes in divided(graph) for n in nodes) >= least


def test_no_more_parts_than_the_peak_needs():
    """Beside the activations of LeNet-5 there is room for 13 KB of the 192 KB, and for all other gradients."""
    graph = compiled(lenet5(), split=True).graph
    ((*parts,),) = divided(graph)
    assert {n.inputs[0].name.partition("'")[0] for n in parts} == {"classifier.0.weight"}
    sizes = [n.inputs[1].type.bytes for n in parts]
    assert graph.plan.arena_bytes < 48_000
    assert sum(sizes) == 192_000
    assert len(parts) < SplitUpdates().max_parts


# ------------------------------------------------------------------ structure


@pytest.mark.parametrize("name", ["mlp", "lenet5", "digits"])
def test_each_part_is_used_before_the_next_is_made(name):
    graph = compiled(MODELS[name](), split=True).graph
    position = {node: k for k, node in enumerate(graph.nodes)}
    assert divided(graph)
    for parts in divided(graph):
        assert all(position[n] == position[n.inputs[1].producer] + 1 for n in parts)
        assert all(later.inputs[0] is earlier.outputs[0] for earlier, later in pairwise(parts))
        bounds = [(n.attrs["begin"], n.attrs["end"]) for n in parts]
        assert all(end == begin for (_, end), (begin, _) in pairwise(bounds))
        assert (bounds[0][0], bounds[-1][1]) == (0, parts[0].inputs[0].type.shape[parts[0].attrs["axis"]])


def test_parts_of_a_region_divide_it_along_its_axis():
    graph = step(digits(), scheme=HALF)
    assert SplitUpdates().run(graph, Context(TOOLS))
    regions = {s.name: s.region for s in graph.states}
    assert divided(graph)
    for parts in divided(graph):
        region = regions[parts[0].inputs[0].name]
        assert {n.attrs["axis"] for n in parts} == {region.axis}
        assert (parts[0].attrs["begin"], parts[-1].attrs["end"]) == (region.begin, region.end)


def test_the_last_part_has_the_name_of_the_whole():
    whole, parts = step(lenet5()), step(lenet5())
    assert SplitUpdates().run(parts, Context(TOOLS))
    names = [{v.name for n in g.nodes for v in n.outputs if v.overwrites is not None} for g in (whole, parts)]
    assert names[0] < names[1]
    assert {"classifier.0.weight'1", "classifier.0.weight'2"} <= names[1]


@pytest.mark.parametrize("rule", RULES)
def test_the_printed_form_reads_back(rule):
    graph = step(digits(), rule, HALF)
    assert SplitUpdates().run(graph, Context(TOOLS))
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)


def test_a_second_run_changes_nothing():
    graph = step(lenet5())
    assert SplitUpdates().run(graph, Context(TOOLS))
    assert not SplitUpdates().run(graph, Context(TOOLS))


# ------------------------------------------------------------------ numbers


def trained(session: Session, graph: Graph) -> list[np.ndarray]:
    """Losses and predictions of the steps, and all states after them."""
    results = [array for batch in batches(graph, STEPS) for array in session.train_step(batch).values()]
    return [*results, *(array for _, array in sorted(session.states().items()))]


def assert_same_numbers(graph: Graph, *variants: Mapping[str, Mapping[str, Any]]) -> None:
    """Under each of these options, the same bits in C. numpy sums products in an order that depends on their size."""
    programs = [
        compiled(graph, split=split, backend="tinyengine", **options)
        for options in variants or ({},)
        for split in (False, True)
    ]
    assert [bool(divided(p.graph)) for p in programs] == [False, True] * (len(programs) // 2)
    in_c = [trained(s, p.graph) for s, p in zip(open_many(programs, HOST, TOOLS, O1), programs, strict=True)]
    exact = [trained(ReferenceSession(p, TOOLS, float64=True), p.graph) for p in programs]
    for numbers, tolerance in ((in_c, 0), (exact, 1e-12)):
        for whole, parts in zip(numbers[::2], numbers[1::2], strict=True):
            for a, b in zip(whole, parts, strict=True):
                assert np.isfinite(a).all()
                np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * np.abs(a).max())
    for program in programs[1::2]:
        apart, in_arena = (ReferenceSession(program, TOOLS, in_arena=flag) for flag in (False, True))
        np.testing.assert_equal(trained(in_arena, program.graph), trained(apart, program.graph))


@pytest.mark.parametrize("name", MODELS)
def test_not_one_bit_changes(name):
    assert_same_numbers(MODELS[name]())


@pytest.mark.parametrize("scheme", ["full", HALF])
def test_not_one_bit_changes_under_any_rule(scheme):
    variants = [{"differentiate": {"update": r}, "sparse_update": {"scheme": scheme}} for r in RULES]
    assert_same_numbers(digits(), *variants)


@pytest.mark.parametrize("graph", [lenet5(3), mlp(50, 70, 40, 10), digits(2)], ids=lambda g: g.name)
def test_not_one_bit_changes_with_a_batch(graph):
    assert_same_numbers(graph)


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_random_models_train_as_without(start):
    count = 0
    for seed in range(start, start + 20):
        case = draw(seed, TOOLS.ops)
        options = {**case.options, "split_updates": {"min_bytes": 16}}
        numbers = []
        for split in (False, True):
            program = compiled(case.program.graph, split=split, **options)
            session = ReferenceSession(program, TOOLS, in_arena=True)
            results = [array for b in case.batches(program.graph, 3) for array in session.train_step(b).values()]
            numbers.append([*results, *(array for _, array in sorted(session.states().items()))])
        count += len(divided(program.graph))
        for whole, parts in zip(*numbers, strict=True):
            np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6, err_msg=f"seed {seed}")
    assert count > 0
