"""Every code is provoked by a mistake that a user can make, and its message is the one that docs/errors.md shows."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradlet.ir.errors import CODES, CompileError
from gradlet.tests.errors import device_mistakes, model_mistakes, tool_mistakes
from gradlet.tests.errors.user import User
from gradlet.tests.golden_files import check_golden

ROOT = Path(__file__).parents[2]
SHIPPED = ("autodiff", "backends", "frontends", "ir", "optimizers", "targets", "tools")
MISTAKES: dict[str, Callable[[User], None]] = {
    name.upper(): function
    for module in (model_mistakes, device_mistakes, tool_mistakes)
    for name, function in vars(module).items()
    if re.fullmatch(r"gl\d{3}", name)
}


def test_there_is_a_mistake_for_every_code():
    assert sorted(MISTAKES) == list(CODES), "in order"


@pytest.mark.parametrize("code", MISTAKES)
def test_a_mistake_is_explained(code, tmp_path, monkeypatch):
    with pytest.raises(CompileError) as caught:
        MISTAKES[code](User(tmp_path, monkeypatch))
    error = caught.value
    assert error.code == code, error
    assert error.hint, f"no next step: {error}"
    check_golden(f"errors/{code}.txt", _everywhere_the_same(str(error), tmp_path) + "\n")


def _everywhere_the_same(text: str, folder: Path) -> str:
    """Without what differs between machines."""
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    for root in (ROOT, Path(__file__).resolve().parents[2]):  # Bazel shows links to the checkout
        text = text.replace(f"{root}/", "")
    text = re.sub(r"(?<=firmware needs )[\d,]+|(?<=^  code )\d+$", "...", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=PyTorch )\([\d.]+[+\w]*\)", "(2.13.0)", text)
    return re.sub(r"(?<=doubling\.c:)\d+|(?<= at 0x08)[0-9a-f]{6}$", "...", text, flags=re.MULTILINE)


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Each place that makes a CompileError."""
    for path in (p for top in SHIPPED for p in sorted((ROOT / top).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CompileError":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_error_has_a_code_of_its_area_and_a_next_step():
    areas = {"ir": "05", "frontends": "1", "autodiff": "2", "optimizers": "2", "backends": "3", "tools": "4"}
    found = list(raised())
    assert found
    for place, call in found:
        code = call.args[0]
        assert isinstance(code, ast.Constant) and code.value in CODES, place
        assert len(call.args) == 4 or any(k.arg == "hint" for k in call.keywords), f"{place}: {code.value} has no hint"
        # Options, numbers of outputs and arrays are checked in ir, for all.
        shared = code.value in ("GL203", "GL210", "GL211", "GL212", "GL301")
        assert shared or code.value[2] in areas[place.split("/")[0]], f"{place}: {code.value}"


def test_every_code_is_raised():
    assert {call.args[0].value for _, call in raised()} == set(CODES)
