"""A wheel is built from the checkout, and what is installed from it works without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gradlet
from gradlet.tools import lint

ROOT = lint.checkout()
NOT_SHIPPED = {"benchmarks", "build_defs", "docs", "tests", "third_party"}
DATA = ["*.c", "*.gradlet", "*.h", "*.jinja", "*.ld", "*.npz", "*.proto", "*.pyi", "*.safetensors", "*.yaml"]


def run(program: list[str], folder: Path, path: list[Path]) -> subprocess.CompletedProcess[str]:
    """Runs Python with `path` in front of what this process can import, and without the checkout."""
    others = [entry for entry in sys.path if Path(entry).is_dir() and not (Path(entry) / "gradlet.py").exists()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), *others])}
    return subprocess.run(
        [sys.executable, *program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy: building leaves files behind."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("out")
    shutil.copytree(ROOT, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "bazel-*", "*.egg-info"))
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    done = run(["-c", build], copy, [])
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_it_is_named_after_the_version(wheel):
    assert wheel.name == f"gradlet-{gradlet.__version__}-py3-none-any.whl"


def test_it_holds_what_is_shipped_and_nothing_else(site):
    wanted = {
        path
        for path in lint.sources(ROOT, ["*.py", *DATA])
        if "/" in path and Path(path).parts[0] not in NOT_SHIPPED and not path.endswith("_test.py")
    }
    package = site / "gradlet"
    assert {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()} >= wanted
    assert not [name for name in [*NOT_SHIPPED, "conftest.py", "setup.py"] if (package / name).exists()]


def test_it_is_imported_from_where_it_is_installed(site, tmp_path):
    program = "import gradlet.ir.graph as g; print(g.__file__); import gradlet.ir.plugin as p; print(*p.builtin().ops)"
    done = run(["-c", program], tmp_path, [site])
    assert done.stderr == ""
    file, ops = done.stdout.splitlines()
    assert Path(file).is_relative_to(site)
    assert len(ops.split()) == len([path for path in (ROOT / "ir/ops").glob("*.py") if path.name != "__init__.py"])


def test_its_command_explains_itself(site, tmp_path):
    done = run(["-c", "from gradlet.tools.cli import console; console()", "--help"], tmp_path, [site])
    assert done.returncode == 0, done.stderr
    assert "compile" in done.stdout
