"""Programs run as executables under the address and undefined behaviour sanitizers: not one complaint."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gradlet.backends.tinyengine.c_text import array_literal, c_type, float_literal, packed
from gradlet.backends.tinyengine.emitter import files
from gradlet.backends.tinyengine.host.compiler import WARNINGS, Build, Compiler
from gradlet.backends.tinyengine.model import Port, Routine, describe
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, batch, case_inputs, every_case, mlp

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


@cache
def sanitizes(compiler: str) -> bool:
    """Whether it is there, with the libraries of the sanitizers (Debian's clang comes without)."""
    if not shutil.which(compiler):
        return False
    command = [compiler, *SANITIZERS, "-xc", "-", "-o", "/dev/null"]
    return (
        subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(params=["gcc", "clang"])
def build(request: pytest.FixtureRequest) -> Build:
    if not sanitizes(request.param):
        pytest.skip(f"needs {request.param} with sanitizers")
    return Build((*WARNINGS, *SANITIZERS, "-O1"), Compiler((request.param,)))


def run_main(sources: dict[str, str], body: list[str], build: Build, tmp_path: Path) -> str:
    """What a main function that does `body` prints."""
    headers = [f'#include "{name}"' for name in sources if name.endswith(".h")]
    lines = ["#include <math.h>", "#include <stdio.h>", "#include <string.h>", *headers, "int main(void) {", *body, "}"]
    program = tmp_path / "program"
    content = build.executable({n: t.encode() for n, t in (sources | {"main.c": "\n".join(lines) + "\n"}).items()})
    program.write_bytes(content)
    program.chmod(0o700)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def call(routine: Routine, inputs: dict[str, np.ndarray]) -> Iterator[str]:
    """C that fills the inputs and calls."""
    for port in routine.inputs:
        array = array_literal(inputs[port.value.name], port.value.type)
        yield f"{{ static const {c_type(port.value.type.dtype)} data[] = {array};"
        yield f"memcpy({port.symbol}(), data, sizeof data); }}"
    yield f"{routine.symbol}({', '.join(scalar(inputs[p.value.name], p) for p in routine.arguments)});"


def scalar(value: np.ndarray, port: Port) -> str:
    item = packed(np.asarray(value), port.value.type).item()
    return float_literal(item) if port.value.type.dtype.is_float else str(item)


def test_training_saving_and_loading(build: Build, tmp_path: Path):
    model = describe(mlp(), HOST, TOOLBOX)
    assert model.train_step and model.infer
    body = ["static unsigned char saved[MLP_SAVE_BYTES]; float w[24];", "mlp_init();"]
    for seed in range(3):
        body += call(model.train_step, batch(seed))
    body += ["int status = (int)mlp_save(saved, sizeof saved) | (int)mlp_load(saved, sizeof saved);"]
    body += ["status |= (int)mlp_get_state(MLP_STATE_HEAD_WEIGHT, w, sizeof w);"]
    body += ["status |= (int)mlp_set_state(MLP_STATE_HEAD_WEIGHT, w, sizeof w);"]
    body += ["saved[20] ^= 1;", 'printf("%d %d ", status, (int)mlp_load(saved, sizeof saved));']
    body += call(model.infer, batch())
    body += ['printf("%d", isfinite(mlp_output_logits()[0]) && isfinite(w[23]));', "return 0;"]
    assert run_main(files(model), body, build, tmp_path) == "0 7 1"


def test_every_op(build: Build, tmp_path: Path):
    program, nodes = every_case()
    model = describe(program, HOST, TOOLBOX)
    assert model.infer
    body = ["every_init();", *call(model.infer, case_inputs(nodes)), 'printf("done");', "return 0;"]
    assert run_main(files(model), body, build, tmp_path) == "done"


def test_a_byte_outside_of_the_arena_is_noticed(build: Build, tmp_path: Path):
    """The sanitizers see the arena's end: what the other tests rely on."""
    model = describe(mlp(), HOST, TOOLBOX)
    body = [
        f"volatile unsigned char *arena = (unsigned char *)mlp_input_x(); arena[{model.arena_bytes}] = 1;",
        "return 0;",
    ]
    with pytest.raises(AssertionError, match="global-buffer-overflow"):
        run_main(files(model), body, build, tmp_path)
