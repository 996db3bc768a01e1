"""The emitted C: what it carries, what it is called, and that compilers accept it without a word."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gradlet.backends.reference import BACKEND as REFERENCE
from gradlet.backends.tinyengine.emitter import emit, files
from gradlet.backends.tinyengine.host.compiler import WARNINGS, Build, Compiler
from gradlet.backends.tinyengine.host.session import open_host
from gradlet.backends.tinyengine.model import describe
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, batch, classifier, every_case, mlp
from gradlet.tests.ops.cases import TOOLBOX as ALL

# Beyond what is promised: a double is a call of software on a Cortex-M7, an array of variable length hides stack.
PEDANTIC = (*WARNINGS, "-Wpedantic", "-Wshadow", "-Wdouble-promotion", "-Wvla", "-Wundef")


def source_of(program: Program) -> str:
    return files(describe(program, HOST, TOOLBOX))[f"{program.name}.c"]


def functions(source: str) -> set[str]:
    """Names of the static functions that a source defines."""
    return set(re.findall(r"^static (?:inline )?(?!const |_Alignas)\w+ \*?(\w+)\(", source, re.MULTILINE))


def test_files_are_header_and_source():
    assert sorted(emit(mlp(), HOST, TOOLBOX).files) == ["mlp.c", "mlp.h"]


def test_emitting_twice_gives_the_same():
    assert emit(mlp(), HOST, TOOLBOX) == emit(mlp(), HOST, TOOLBOX)


def test_only_kernels_that_are_called_are_emitted():
    source = source_of(classifier())
    assert re.findall(r"^KERNEL\nstatic void (\w+)", source, re.MULTILINE) == ["dense_f32"]
    trained_only = {"sgd_f32", "dense_weight_grad_f32", "exp_f32", "log_f32"}
    assert trained_only <= functions(source_of(mlp()))
    assert not (trained_only | {"relu_f32", "tanh_f32", "sigmoid_f32"}) & functions(source)


def test_model_without_training_has_no_step_and_nothing_to_save():
    header = files(describe(classifier(), HOST, TOOLBOX))["classifier.h"]
    assert "classifier_infer(void)" in header
    assert not re.search("train_step|_save|_load", header)


def test_every_call_is_followed_by_its_line_of_ir():
    body = source_of(mlp()).split("float mlp_train_step(float lr) {")[1].split("\n}")[0]
    lines = [line for line in body.splitlines() if " // %" in line]
    assert [line.split(" // ")[1] for line in lines] == [str(node) for node in mlp().graph.nodes]


def test_names_of_states_are_compiled_on_demand_only():
    source = source_of(mlp())
    without = re.sub(r"//.*|#ifdef \w+_NAMES\n(.|\n)*?#(else|endif)|NAMED\(.*\)", "", source)
    assert '"body.weight"' in source and '"body.weight"' not in without


def test_only_what_is_needed_is_included():
    emit_relu = Emit(TOOLBOX.ops, Graph("only_relu"))
    emit_relu.graph.outputs = [emit_relu("relu", emit_relu.graph.add_input("x", f32(2, 3)))]
    included = re.findall(r"#include <(.*)>", source_of(Program(emit_relu.graph)))
    assert "math.h" not in included and "stdlib.h" not in included


def odd_names() -> Program:
    """States and inputs whose names are keywords, differ in case only, or are no identifiers at all."""
    graph = Graph("7 net-v2.0")
    emit_ = Emit(TOOLBOX.ops, graph, loc="a\\")
    names = [
        "float",
        "features.0.conv.weight",
        "features_0_conv_weight",
        "Features.0.conv.weight",
        "µ*/\n",
        "bytes",
        "w",
        "w.init",
    ]
    total = graph.add_input("int", f32(2, 3))
    for name in names:
        rng = np.random.default_rng(len(name))
        state = graph.add_state(name, rng.normal(size=(3, 3)).astype(np.float32), f32(3, 3))
        total = emit_("dense", total, state)
    for name in ("return", "lr", "relu_f32", "9"):
        total = emit_("mul", total, graph.add_input(name, f32()))
    graph.outputs = [total]
    total.name = "double"
    return Program(graph)


def test_odd_names_become_unique_identifiers():
    program = odd_names()
    inputs = {v.name: np.full(v.type.shape, 2.0, np.float32) for v in program.graph.inputs}
    session = open_host(program, HOST, TOOLBOX, Build((*PEDANTIC, "-O1")))
    reference = REFERENCE.open(program, HOST, TOOLBOX)
    np.testing.assert_allclose(session.infer(inputs)["double"], reference.infer(inputs)["double"], rtol=1e-4)
    assert all(np.array_equal(a, reference.states()[n]) for n, a in session.states().items())


def test_cplusplus_reads_the_header(tmp_path: Path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        pytest.skip("needs a C++ compiler")
    (tmp_path / "mlp.h").write_text(files(describe(mlp(), HOST, TOOLBOX))["mlp.h"])
    (tmp_path / "user.cpp").write_text('#include "mlp.h"\nfloat step() { return mlp_train_step(0.1f); }\n')
    Compiler((compiler,)).run(*PEDANTIC, "-c", "user.cpp", folder=tmp_path)
    assert (tmp_path / "user.o").exists()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_kernel_compiles_without_a_warning(compiler: str):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    sources = files(describe(every_case()[0], HOST, ALL))
    build = Build((*PEDANTIC, "-O1"), Compiler((compiler,)))
    assert build.library({name: text.encode() for name, text in sources.items()})


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("define", ["-DMLP_NAMES", "-O2"])
def test_program_compiles_without_a_warning(compiler: str, define: str):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    session = open_host(mlp(), HOST, TOOLBOX, Build((*PEDANTIC, define), Compiler((compiler,))))
    assert np.isfinite(session.train_step(batch())["loss"])


def test_report_has_the_bytes_that_are_known():
    program = mlp()
    memory = emit(program, HOST, TOOLBOX).report["memory"]
    assert memory["state"] == 3 * 8 * 4
    assert memory["flash_weights"] == (8 * 6 + 8 + 3 * 8) * 4
    assert memory["arena"] >= memory["arena_lower_bound"] > 0
    assert memory["stack"] is None and memory["flash_code"] is None
