"""Imports point one way: proto <- ir <- {frontends, autodiff, optimizers, backends, targets} <- tools."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlet.tools import lint

MIDDLE = ("frontends", "autodiff", "optimizers", "backends", "targets")
ALLOWED = {
    "proto": {"proto"},
    "ir": {"ir", "proto"},
    **{folder: {folder, "ir"} for folder in MIDDLE},
}
HEAVY = {"google", "jinja2", "ortools", "rich", "sklearn", "tensorflow", "torch", "tvm", "unicorn", "yaml"}
ROOT = lint.checkout()


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the name of each import of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("folder", ALLOWED)
def test_direction(folder):
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in imported(path)
        if name.startswith("gradlet.") and name.split(".")[1] not in ALLOWED[folder]
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_serialiser_knows_the_generated_module():
    users = {
        str(path.relative_to(ROOT))
        for folder in (*ALLOWED, "tools")
        for path in (ROOT / folder).rglob("*.py")
        for _, name in imported(path)
        if "_pb2" in name and not path.name.endswith("_pb2.py")
    }
    assert users <= {"ir/serialize.py", "ir/upgrades.py"}


def test_importing_the_graph_loads_numpy_and_nothing_heavier():
    program = "import sys, gradlet.ir.graph; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded
    assert not loaded & HEAVY
