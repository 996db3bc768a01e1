"""A plugin from outside of the tree is built, installed, and all of it works."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gradlet.build_defs import launcher
from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.tests.frontends.tflite.written import Step, Written, constant, written
from gradlet.tools.api import compile_module
from gradlet.tools.new_op import write_op

SOURCE = Path(__file__).parent
NET = {"input": [4, 8], "layers": [16, "softplus", 3], "seed": 0}


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory):
    """Builds the wheel from a copy, and installs it where Python looks."""
    copy, out, folder = (tmp_path_factory.mktemp(name) for name in ("copy", "out", "site"))
    shutil.copytree(SOURCE, copy, dirs_exist_ok=True)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    zipfile.ZipFile(next(out.glob("*.whl"))).extractall(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in [n for n in sys.modules if n.split(".")[0] == "gradlet_example"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.layers"
    path.write_text(json.dumps(NET))
    return path


def losses(session: Session, steps: int = 5) -> list[float]:
    rng = np.random.default_rng(0)
    feed = {
        "x": rng.normal(size=(4, 8)).astype(np.float32),
        "label": np.arange(4, dtype=np.int32) % 3,
        "lr": np.asarray(0.1, np.float32),
    }
    return [float(session.train_step(feed)["loss"]) for _ in range(steps)]


def test_it_is_found_where_it_is_installed(site):
    tools = load()
    assert "gradlet-example" in [p.name for p in tools.plugins]
    assert tools.ops["softplus"].gradient is not None
    assert Path(sys.modules["gradlet_example"].__file__).is_relative_to(site)


def test_it_is_not_loaded_twice_when_named_too():
    with pytest.raises(CompileError, match="GL501.*gradlet-example"):
        load(["gradlet_example:PLUGIN"])


@pytest.mark.parametrize("backend", ["tinyengine", "tvm"])
def test_its_op_trains_on_every_backend(net, backend):
    reference, other = (compile_module(net, target="x86_64", backend=name).open() for name in ("reference", backend))
    expected = losses(reference)
    np.testing.assert_allclose(losses(other), expected, rtol=1e-5)
    assert expected[-1] < expected[0]


def test_its_target_runs_its_kernel(net):
    compiled = compile_module(net, target="tiny_board")
    assert compiled.report["target"] == {
        "name": "tiny_board",
        "cpu": "cortex-m4",
        "sram": 32 << 10,
        "flash": 256 << 10,
    }
    expected = losses(compile_module(net, target="x86_64", backend="reference").open())
    session = compiled.open()
    np.testing.assert_allclose(losses(session), expected, rtol=1e-5)
    session.close()


def test_its_pass_bounds_the_gradients(net):
    pipeline = "sparse_update,differentiate{update=sgd},clip_gradients{limit=0.001},dead_code,place_buffers"
    compiled = compile_module(net, target="x86_64", backend="reference", pipeline=pipeline)
    assert sum(n.op == "clip" for n in compiled.program.graph.nodes) == 4
    session = compiled.open()
    before = session.states()
    losses(session, 1)
    moved = max(float(np.abs(session.states()[name] - before[name]).max()) for name in before)
    assert 0 < moved <= 0.1 * 0.001 * 1.001


def test_its_operator_is_imported_from_torch():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(8, 5), torch.nn.LogSigmoid(), torch.nn.Linear(5, 3))
    sample = torch.randn(4, 8)
    compiled = compile_module(module, sample, target="x86_64", backend="reference")
    ((name, out),) = compiled.open().infer({compiled.program.graph.inputs[0].name: sample.numpy()}).items()
    assert name == "logits"
    np.testing.assert_allclose(out, module(sample).detach().numpy(), rtol=1e-5, atol=1e-6)


def custom_tflite(custom: str = "Softplus", dtype: str = "float32") -> tuple[bytes, list[np.ndarray]]:
    """8 features, 16 of a custom operator, 3 classes; with the weights and biases."""
    rng = np.random.default_rng(0)
    shapes = (16, 8), (16,), (3, 16), (3,)
    w1, b1, w2, b2 = constants = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    scales = {"dtype": dtype, "scales": [0.1] if dtype == "int8" else []}
    hidden, made = Written([4, 16], "float32"), Written([4, 16], **scales)
    operands = [Written([4, 8], "float32"), constant(w1), constant(b1), hidden, made, constant(w2), constant(b2)]
    dense = "FULLY_CONNECTED", "FullyConnectedOptions"
    steps = [
        Step(dense[0], [0, 1, 2], [3], dense[1]),
        Step("CUSTOM", [3], [4], custom=custom),
        Step(dense[0], [4, 5, 6], [7], dense[1]),
    ]
    return written([*operands, Written([4, 3], "float32")], steps, [0], [7]), constants


@pytest.mark.parametrize("backend", ["tinyengine", "tvm"])
def test_its_operator_is_imported_from_tflite_and_trains(backend, tmp_path):
    path = tmp_path / "net.tflite"
    data, (w1, b1, w2, b2) = custom_tflite()
    path.write_bytes(data)
    compiled = compile_module(path, target="x86_64", backend=backend)
    session, (image,) = compiled.open(), compiled.program.infer.inputs
    x = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    (logits,) = session.infer({image.name: x}).values()
    np.testing.assert_allclose(logits, np.logaddexp(x @ w1.T + b1, 0) @ w2.T + b2, rtol=1e-5, atol=1e-6)
    reference = compile_module(path, target="x86_64", backend="reference").open()
    feed = {image.name: x, "label": np.arange(4, dtype=np.int32) % 3, "lr": np.float32(0.1)}
    found, expected = ([float(s.train_step(feed)["loss"]) for _ in range(5)] for s in (session, reference))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[-1] < found[0]


@pytest.mark.parametrize(("custom", "dtype"), [("Softminus", "float32"), ("Softplus", "int8")])
def test_what_its_converter_does_not_know_is_told(custom, dtype, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(custom_tflite(custom, dtype)[0])
    with pytest.raises(CompileError, match=rf"GL105.*\n.*CUSTOM:{custom}"):
        compile_module(path, target="x86_64")


def test_the_suites_of_all_ops_run_over_its_op(site):
    """The examples of an op are its tests: gradients, backends, round trips."""
    done = run_suites(site)
    assert done.returncode == 0, done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 15, done.stdout


def test_a_new_op_is_written_with_its_tests_passing(tmp_path):
    package = tmp_path / "my_ops"
    write_op("brand_new", package, in_plugin=True)
    record = """from gradlet.ir.plugin import Plugin

PLUGIN = Plugin(
    name="mine",
    ops=("my_ops.brand_new:OPS",),
    kernels={"tinyengine": ("my_ops.brand_new_c:KERNELS",), "tvm": ("my_ops.brand_new_tvm:KERNELS",)},
)
"""
    (package / "__init__.py").write_text(record)
    done = run_suites(tmp_path, "brand_new", GRADLET_TEST_PLUGINS="my_ops:PLUGIN")
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 8, done.stdout


def run_suites(site: Path, name: str = "softplus", **more: str) -> subprocess.CompletedProcess[str]:
    """tests/ops in a process of its own, in which what lies in `site` is installed."""
    root = Path(launcher.__file__).parents[1]
    path = os.pathsep.join([str(site), *filter(os.path.isdir, sys.path)])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TEST_", "TESTBRIDGE_", "XML_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "tests/ops", "-q", "-k", name, "-p", "no:cacheprovider"]
    environment = clean | {"PYTHONPATH": path} | more
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def test_the_command_line_sees_it(net, site, tmp_path):
    root = str(Path(launcher.__file__).parents[1])
    start = "import runpy, sys; runpy.run_path(sys.argv[1])['enter'](sys.argv[2]); del sys.argv[1:3];"
    start += "from gradlet.tools.cli import console; console()"
    command = ["compile", str(net), "--target", "tiny_board", "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(os.path.isdir, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", start, launcher.__file__, root, *command],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "softplus_f32" in (tmp_path / "out" / "net.c").read_text()
