"""The C of every op compiles without a warning, and runs clean under the sanitizers."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import OpDef
from gradlet.ir.program import Program
from gradlet.tests.ops.backends_test import HOST, Bench
from gradlet.tests.ops.cases import OPS, TOOLBOX

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"))
    for name in ("gcc", "clang")
]


def emitted(graph: Graph) -> dict[str, bytes]:
    from gradlet.backends.tinyengine.emitter import emit

    return dict(emit(Program(graph), TOOLBOX.get("targets", HOST), TOOLBOX).files)


def compile_in(folder: Path, files: dict[str, bytes], *command: str) -> None:
    for name, text in files.items():
        (folder / name).write_bytes(text)
    sources = [name for name in files if name.endswith(".c")]
    done = subprocess.run([*command, *sources], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_c_has_no_warnings(compiler: str, op: OpDef, tmp_path: Path):
    compile_in(tmp_path, emitted(Bench(op).graph), compiler, *WARNINGS, "-fsyntax-only")


# Fills every input with what numpy was given, and runs the inference.
_MAIN = """
#include "{name}.h"
#include <string.h>
{arrays}
int main(void) {{
    {name}_init();
{copies}
    {name}_infer({scalars});
    return 0;
}}
"""


def main_of(bench: Bench) -> bytes:
    from gradlet.backends.tinyengine.c_text import array_literal, c_type, elements, float_literal

    name, arrays, copies, scalars = bench.graph.name, [], [], []
    for value in bench.graph.inputs:
        array = bench.inputs[value.name]
        if value.type.shape == ():
            scalars.append(float_literal(float(array)) if value.type.dtype.is_float else str(int(array)))
            continue
        literal = array_literal(array, value.type)
        arrays.append(
            f"static const {c_type(value.type.dtype)} {value.name}[{elements(value.type)}] = {literal};".replace(
                "nanf", "NAN"
            )
        )
        copies.append(f"    memcpy({name}_input_{value.name}(), {value.name}, sizeof {value.name});")
    text = _MAIN.format(name=name, arrays="\n".join(arrays), copies="\n".join(copies), scalars=", ".join(scalars))
    return ("#include <math.h>\n" + text).encode()


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_c_runs_clean(op: OpDef, tmp_path: Path):
    bench = Bench(op)
    files = {**emitted(bench.graph), "main.c": main_of(bench)}
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
    compile_in(tmp_path, files, "gcc", "-std=c11", *sanitize, "-o", "program", "-lm")
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
