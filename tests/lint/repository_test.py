"""What no tool checks: BUILD files, versions and pins agree, and files and functions stay short."""

import ast
import re
import tomllib
from pathlib import Path

import gradlet
from gradlet.tools import lint

ROOT = lint.checkout()
PYTHON = [p for p in lint.sources(ROOT, ["*.py"]) if not p.endswith("_pb2.py")]
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def package_of(path: str) -> Path:
    """The Bazel package that a file belongs to."""
    return next(folder for folder in Path(path).parents if (ROOT / folder / "BUILD").exists())


def test_every_python_file_belongs_to_a_package():
    alone = {"__init__.py", "conftest.py", "setup.py"}
    assert not [path for path in PYTHON if package_of(path) == Path() and path not in alone]


def test_every_test_is_a_target():
    tests = [path for path in PYTHON if path.endswith("_test.py")]
    assert tests
    for path in tests:
        assert "pytest_tests(" in (ROOT / package_of(path) / "BUILD").read_text(), f"{path} is no target"


def test_tests_share_libraries_and_not_each_other():
    imports = re.compile(r"^(from|import) gradlet\.tests\.\S*_test\b", re.MULTILINE)
    sharing = [path for path in PYTHON if imports.search((ROOT / path).read_text(encoding="utf-8"))]
    assert not sharing, f"Bazel shows a test its own file only; move what is shared into a library: {sharing}"


def test_build_files_load_from_build_defs_only():
    loads = re.compile(r'^load\("([^"]*)"', re.MULTILINE)
    for path in lint.sources(ROOT, ["BUILD"]):
        assert all(name.startswith("//build_defs:") for name in loads.findall((ROOT / path).read_text())), path


def test_bazel_knows_the_version():
    assert f'version = "{gradlet.__version__}"' in (ROOT / "MODULE.bazel").read_text()


def test_pins_agree_with_the_lock():
    locked = (ROOT / "third_party/python/requirements.lock").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = [pin for wanted in extras.values() for pin in wanted if "==" in pin]
    assert pins
    for pin in pins:
        assert f"\n{pin} " in f"\n{locked}", f"pyproject.toml: {pin} is not what is locked"


def test_files_and_functions_are_short():
    long = []
    for path in PYTHON:
        text = (ROOT / path).read_text(encoding="utf-8")
        if text.count("\n") > LONGEST_FILE:
            long.append(path)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                long.append(f"{path}:{node.lineno} {node.name}")
    assert not long, "split by idea: " + ", ".join(long)
