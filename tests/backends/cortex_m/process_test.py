"""The emulator and the compiler are programs of their own, which may be missing, killed or stuck."""

import ast
import os
import signal
from pathlib import Path

import pytest

from gradlet.backends.tinyengine.cortex_m import process
from gradlet.backends.tinyengine.cortex_m.emulator import Job
from gradlet.ir.errors import CompileError
from gradlet.tests.backends.cortex_m.sgd_step import STM32F746, run, started

PACKAGE = Path(process.__file__).parent
STEP = Job("train_step", [0.0625])


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_only_the_process_of_the_emulator_knows_unicorn():
    users = {path for path in PACKAGE.parents[1].rglob("*.py") if any(n.startswith("unicorn") for n in imported(path))}
    assert users == {PACKAGE / "machine.py"}


def test_the_process_of_the_emulator_is_not_linked_with_the_compiler():
    assert not [name for name in imported(PACKAGE / "machine.py") if name.startswith("gradlet")]


@pytest.fixture
def emulator():
    emulator = started(STM32F746)
    yield emulator
    emulator.close()


def test_a_killed_emulator_is_an_error(emulator):
    os.kill(emulator.process.pid, signal.SIGKILL)
    with pytest.raises(CompileError, match="ended by signal 9") as caught:
        emulator.call(STEP)
    assert caught.value.code == "GL347"


def test_a_closed_emulator_is_an_error(emulator):
    emulator.close()
    with pytest.raises(CompileError, match="closed") as caught:
        emulator.profile()
    assert caught.value.code == "GL347"


def test_what_the_emulator_says_at_its_end_is_in_the_error(emulator):
    with pytest.raises(CompileError, match="AssertionError: 4 bytes at 0x8000000 are not in RAM"):
        emulator.write(0x0800_0000, bytes(4))


def test_an_emulator_that_does_not_answer_is_an_error(emulator, monkeypatch):
    monkeypatch.setattr(process, "SECONDS", 0.5)
    emulator.limit = 1 << 60
    with pytest.raises(CompileError, match="did not answer within 0.5 s") as caught:
        emulator.call(Job("endless"))
    assert caught.value.code == "GL344"


def test_after_a_fault_memory_can_be_looked_at(emulator):
    weight = emulator.address("weight")
    before = emulator.read(weight, 4)
    with pytest.raises(CompileError, match="no memory"):
        emulator.call(Job("poke", [0]))
    assert emulator.read(weight, 4) == before
    assert emulator.call(STEP).instructions > 0


@pytest.mark.parametrize(("package", "what"), [("unicorn", "emulator"), ("ziglang", "C compiler")])
def test_a_package_that_is_not_installed_is_named(package, what, tmp_path, monkeypatch):
    (tmp_path / f"{package}.py").write_text(f'raise ModuleNotFoundError("No module named {package!r}")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(CompileError, match=f"the {what}.* is missing: Python package {package}") as caught:
        run(STM32F746)
    assert caught.value.code == "GL345"
    assert caught.value.hint == "pip install 'gradlet[mcu]'"


def test_no_home_is_needed(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert run(STM32F746).status == 42
