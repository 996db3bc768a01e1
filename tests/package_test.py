"""The root of the repository is the package `gradlet`, and nothing else of it can be imported."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gradlet

ROOT = Path(__file__).parent.parent
FOLDERS = [
    "autodiff",
    "backends",
    "build_defs",
    "frontends",
    "ir",
    "optimizers",
    "proto",
    "targets",
    "tests",
    "third_party",
    "tools",
]


def run_child(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


def test_the_package_is_this_tree():
    assert __name__ == "gradlet.tests.package_test"
    assert Path(str(gradlet.__file__)).parent.samefile(ROOT)


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_no_modules(name):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


def test_folders_are_no_modules_of_a_child(tmp_path):
    program = "from importlib.util import find_spec\n" + "\n".join(f"assert not find_spec({f!r})" for f in FOLDERS)
    assert run_child(program, tmp_path).stderr == ""


def test_a_child_sees_the_same_package(tmp_path):
    done = run_child("import gradlet; print(gradlet.__file__)", tmp_path)
    assert done.stderr == ""
    assert Path(done.stdout.strip()).samefile(ROOT / "__init__.py")


def test_the_package_itself_loads_nothing(tmp_path):
    program = "import sys, gradlet; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in run_child(program, tmp_path).stdout.split()}
    assert "gradlet" in loaded
    assert not loaded & {"google", "numpy", "tensorflow", "torch", "tvm", "unicorn", "yaml"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'compiel'"):
        _ = gradlet.compiel
