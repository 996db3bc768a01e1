"""Pipelines as text, and the manager that distrusts passes."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.passes import Context
from gradlet.optimizers.pass_manager import PassManager
from gradlet.optimizers.pipelines import NAMED, make_passes, parse_pipeline, print_pass
from gradlet.tests.small_models import TOOLS, apply, linear, mlp


def _manager(text: str, **options) -> PassManager:
    return PassManager(Context(TOOLS), make_passes(TOOLS, parse_pipeline(text)), **options)


@pytest.mark.parametrize("name", NAMED)
def test_named_pipelines_name_passes(name):
    assert make_passes(TOOLS, parse_pipeline(name))


def test_a_named_pipeline_stands_among_passes():
    names = [p.name for p in make_passes(TOOLS, parse_pipeline("forward,differentiate,dead_code"))]
    assert names == ["fold_constants", "fold_batch_norm", "fuse", "dead_code", "differentiate", "dead_code"]


def test_options_are_set_on_every_pass_of_a_name():
    passes = make_passes(TOOLS, parse_pipeline("train", {"sparse_update": {"scheme": "last_2{ratio=0.5}"}}))
    scheme = next(p for p in passes if p.name == "sparse_update").scheme
    assert str(scheme) == "last_2{ratio=0.5}"


@pytest.mark.parametrize("text", ["sparse_update{scheme=last_2{ratio=0.5}}", "dead_code", "early_update{width=4}"])
def test_passes_print_as_they_are_written(text):
    (made,) = make_passes(TOOLS, parse_pipeline(text))
    assert print_pass(made) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [("dead_cod", "GL504"), ("dead_code{x=1}", "GL211"), ("train{x=1}", "GL210"), ("early_update{width=a}", "GL211")],
)
def test_mistakes_are_errors(text, code):
    with pytest.raises(CompileError) as info:
        make_passes(TOOLS, parse_pipeline(text))
    assert info.value.code == code


def test_graphs_are_dumped_in_numbered_files(tmp_path):
    _manager("differentiate,dead_code", dump_dir=tmp_path).run(linear())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00_input.txt", "01_differentiate.txt", "02_dead_code.txt"]
    assert "// update" in (tmp_path / "01_differentiate.txt").read_text()


def test_stop_and_skip():
    records = _manager("train", stop_after="differentiate", skip=["fuse"]).run(linear())
    texts = [r.text for r in records]
    assert texts[-1] == "differentiate"
    assert "fuse" not in texts


@pytest.mark.parametrize("option", [{"stop_after": "fues"}, {"skip": ["fues"]}])
def test_a_pass_to_stop_after_or_skip_must_be_there(option):
    with pytest.raises(CompileError) as info:
        _manager("train", **option).run(linear())
    assert info.value.code == "GL213"


def test_progress_and_records_tell_what_each_pass_did():
    told = []
    records = _manager("fuse,differentiate", progress=told.append).run(linear())
    assert told == records
    assert [r.changed for r in records] == [True, True]
    assert records[0].nodes == 1


def test_every_state_is_checked_before_and_after():
    seen = []
    _manager("fuse,differentiate", check=lambda pass_, graph: seen.append(pass_ and pass_.name)).run(linear())
    assert seen == [None, "fuse", "differentiate"]


@dataclass(frozen=True)
class Liar:
    """Says what it is told to say about a change that it makes, or not."""

    name: ClassVar[str] = "liar"
    changes: bool
    says: bool

    def run(self, graph, context):
        if self.changes:
            graph.nodes[-1].loc += "!"
        return self.says


@pytest.mark.parametrize("says", [True, False])
def test_a_pass_that_misreports_is_caught(says):
    with pytest.raises(AssertionError, match="liar says that it"):
        PassManager(Context(TOOLS), [Liar(changes=not says, says=says)]).run(linear())


@dataclass(frozen=True)
class Vandal:
    name: ClassVar[str] = "vandal"

    def run(self, graph, context):
        graph.nodes.reverse()
        return True


def test_a_pass_that_breaks_the_graph_is_caught():
    with pytest.raises(AssertionError, match="before it is written"):
        PassManager(Context(TOOLS), [Vandal()]).run(linear())


def test_a_changed_graph_has_no_stale_plan():
    graph = apply(mlp(6, 8, 3), "place_buffers")
    assert graph.plan is not None
    apply(graph, "fuse")
    assert graph.plan is None
