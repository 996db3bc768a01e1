"""The pages say what is there: generated parts are current, links lead somewhere, commands and options exist."""

import re
from pathlib import Path

import pytest

from gradlet.ir.errors import CODES
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS, mlp
from gradlet.tools import cli, docs, lint
from gradlet.tools.api import Options, compile_program

ROOT = lint.checkout()
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "tests").rglob("README.md")])
GENERATED = docs.pages(ROOT)
PARSERS = next(a for a in cli.parser()._actions if a.dest == "command").choices


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", GENERATED, ids=name_of)
def test_generated_parts_are_current(page):
    assert page.read_text() == GENERATED[page], "./bazelw run //tools:docs"


def test_every_part_is_on_a_page():
    shown = re.findall(r"<!-- generated: (\w+) -->", "".join(GENERATED.values()))
    assert sorted(shown) == sorted(docs.PARTS)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page):
    tops = "|".join(p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "bazel-")))
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for path in re.findall(rf"`((?:{tops})/[\w./]+)`", text):
        known = (ROOT / path).exists() or "softsign" in path or "/vN" in path
        assert known, path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_exist(page):
    for command, rest in re.findall(r"(?:gradlet|bazelw run //tools:)\s?(\w+)((?: -- )?[^\n`|]*)", page.read_text()):
        if command not in PARSERS:
            continue
        known = PARSERS[command]._option_string_actions
        assert all(option in known for option in re.findall(r"(?<=\s)--\w[\w-]*", rest)), f"{command}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_bazel_targets_exist(page):
    for package, target in re.findall(r"(?<![:\w/])//([a-z][\w/]*\w)(?::([\w.]+))?", page.read_text()):
        folder = ROOT / package
        assert folder.is_dir(), package
        if target:
            named = f'"{target}"' in (folder / "BUILD").read_text() or (folder / f"{target}.py").exists()
            assert named or target.endswith(".update"), f"{package}:{target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_codes_exist(page):
    assert set(re.findall(r"\bGL\d{3}\b", page.read_text())) <= set(CODES)


def test_every_field_of_a_report_is_described():
    page = (ROOT / "docs" / "report.md").read_text()
    report = compile_program(Program(mlp(4, 8, 3)), Options(), TOOLS).report
    for name, content in report.items():
        assert f"`{name}" in page, name
        for inner in content if isinstance(content, dict) else content[0] if name in ("nodes", "peak") else ():
            assert f"`{inner}`" in page or f"`{name}.{inner}`" in page, f"{name}.{inner}"
