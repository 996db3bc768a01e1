"""Plugins are records; names have one owner; what cannot be loaded says so."""

import subprocess
import sys

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.op_def import OpDef
from gradlet.ir.plugin import API, Plugin, Toolbox, builtin, load

TWICE = OpDef("twice", infer=lambda types, attrs: [types[0]], evaluate=lambda args, attrs: [2 * args[0]])
OTHER_RELU = OpDef("relu", infer=lambda types, attrs: [types[0]], evaluate=lambda args, attrs: [args[0]])
PLUGIN = Plugin("stranger", ops=("gradlet.tests.ir.plugin_test:TWICE",))
NOT_A_PLUGIN = 3


def test_an_op_of_a_plugin_is_known():
    assert load(["gradlet.tests.ir.plugin_test:PLUGIN"], installed=False).ops["twice"] is TWICE


def test_a_name_with_two_owners_names_both():
    clash = Plugin("stranger", ops=("gradlet.tests.ir.plugin_test:OTHER_RELU",))
    with pytest.raises(CompileError, match="GL501.*'relu' is owned by 'gradlet'.*and by 'stranger'"):
        Toolbox([builtin(), clash])


def test_a_second_target_of_a_name_names_both_owners():
    a, b = (Plugin(name, targets={"board": "nowhere:T"}) for name in ("a", "b"))
    with pytest.raises(CompileError, match="GL501.*targets 'board' is owned by 'a'.*and by 'b'"):
        Toolbox([a, b])


def test_another_api_is_refused():
    with pytest.raises(CompileError, match="GL502.*'late'"):
        Toolbox([Plugin("late", api=API + 1)])


@pytest.mark.parametrize(
    "location", ["no.such.module:P", "gradlet.tests.ir.plugin_test:ABSENT", "gradlet.tests.ir.plugin_test:NOT_A_PLUGIN"]
)
def test_what_cannot_be_loaded(location):
    with pytest.raises(CompileError, match="GL503"):
        load([location], installed=False)


def test_an_unknown_name_lists_the_known_ones():
    tools = Toolbox([Plugin("p", targets={"board": "nowhere:T"})])
    with pytest.raises(CompileError, match="GL504") as caught:
        tools.get("targets", "bord")
    assert "board" in caught.value.hint


def test_an_unknown_op_lists_the_known_ones():
    with pytest.raises(CompileError, match="GL001.*'rleu'") as caught:
        _ = load(installed=False).ops["rleu"]
    assert "relu" in caught.value.hint


def test_a_gradient_for_an_op_that_has_one_is_refused():
    with pytest.raises(CompileError, match="GL501.*gradient of 'relu' exists"):
        Toolbox([builtin(), Plugin("p", gradients={"relu": "nowhere:G"})])


def test_values_are_imported_at_first_use():
    Toolbox([builtin(), Plugin("lazy", targets={"t": "no.such.module:T"}, passes={"p": "no.such.module:P"})])


def test_the_core_is_light():
    """Neither the graph nor a toolbox loads a framework, a compiler or protobuf."""
    code = (
        "import sys, gradlet.ir.graph; heavy = {'torch', 'tensorflow', 'tvm', 'google.protobuf', 'unicorn', 'sklearn'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "import gradlet.ir.plugin as p; p.load(installed=False);"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    launch = "import runpy, sys; runpy.run_path(sys.argv[1])['enter'](sys.argv[2]); exec(sys.argv[3])"
    from gradlet.build_defs import launcher

    root = str(launcher.__file__).removesuffix("/build_defs/launcher.py")
    subprocess.run([sys.executable, "-c", launch, launcher.__file__, root, code], check=True)
