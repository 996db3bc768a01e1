"""Writes the generated parts of docs/*.md: what there is of ops, passes, targets, schemes and errors.

./bazelw run //tools:docs     or: python -m gradlet.tools.docs

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. Messages of errors are those that
tests/errors provokes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from gradlet.ir.errors import CODES
from gradlet.ir.options import print_option
from gradlet.ir.plugin import Toolbox, builtin, load
from gradlet.optimizers import schemes
from gradlet.optimizers.pipelines import NAMED
from gradlet.optimizers.published_schemes import PUBLISHED
from gradlet.tools.lint import checkout

_PART = re.compile(r"(?<=<!-- generated: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
_AREAS = {"0": "Programs and ops", "1": "Frontends", "2": "Autodiff and passes", "3": "Backends and targets"}
_AREAS |= {"4": "Tools", "5": "Plugins"}


def pages(root: Path) -> dict[Path, str]:
    """Each page with generated parts, as it should be."""
    tools = load(installed=False)
    found = {}
    for path in sorted((root / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _PART.search(text):
            found[path] = _PART.sub(lambda m: m[1] + m[2] + PARTS[m[1]](tools, root), text)
    return found


def ops(tools: Toolbox, root: Path) -> str:
    """A row for each file: its ops, and its first line."""

    def row(location: str) -> tuple[str, str, str]:
        module = importlib.import_module(location.partition(":")[0])
        stem = module.__name__.rpartition(".")[2]
        return f"[{stem}](../ir/ops/{stem}.py)", ", ".join(op.name for op in module.OPS), _first_line(module)

    return _table(("file", "ops", "meaning"), map(row, builtin().ops))


def full_update(tools: Toolbox, root: Path) -> str:
    return _golden(root, "update_paradigms/full.txt")


def sparse_tensor(tools: Toolbox, root: Path) -> str:
    return _golden(root, "update_paradigms/sparse_tensor.txt")


def passes(tools: Toolbox, root: Path) -> str:
    return "".join(_described(tools, "passes", name) for name in tools.names("passes"))


def update_rules(tools: Toolbox, root: Path) -> str:
    return "".join(_described(tools, "update_rules", name) for name in tools.names("update_rules"))


def losses(tools: Toolbox, root: Path) -> str:
    found = {name: tools.get("losses", name) for name in tools.names("losses")}
    return _table(("loss", "meaning"), ((f"`{n}`", _first_line(sys.modules[f.__module__])) for n, f in found.items()))


def pipelines(tools: Toolbox, root: Path) -> str:
    return _table(("name", "passes"), ((f"`{name}`", text.replace(",", ", ")) for name, text in NAMED.items()))


def targets(tools: Toolbox, root: Path) -> str:
    def row(name: str) -> tuple[str, ...]:
        t = tools.get("targets", name)
        sizes = [f"{m.bytes >> 10} KB at {m.base:#010x}" if m else "not limited" for m in (t.sram, t.flash)]
        link = f"[{name}](../targets/{name}.py)"
        return link, t.summary, t.cpu, ", ".join(sorted(t.features)), *sizes, f"{t.stack_bytes:,} B", t.backend

    titles = ("target", "what", "core", "features", "SRAM", "flash", "stack", "backend")
    return _table(titles, map(row, tools.names("targets")))


def scheme_fields(tools: Toolbox, root: Path) -> str:
    parts = {"Of the scheme": schemes.Scheme, "Of each of its `updates`": schemes.Update}
    return "\n".join(f"{title}:\n\n{_options(cls)}" for title, cls in parts.items())


def scheme_options(tools: Toolbox, root: Path) -> str:
    return _options(schemes.SchemeOptions)


def published_schemes(tools: Toolbox, root: Path) -> str:
    listed = ((f"`{model}`", ", ".join(f"`{name}`" for name in found)) for model, found in PUBLISHED.items())
    return _table(("network", "schemes"), listed)


def errors(tools: Toolbox, root: Path) -> str:
    lines, area = [], ""
    for code, meaning in CODES.items():
        if code[2] != area:
            area = code[2]
            lines.append(f"## {_AREAS[area]}\n\n")
        lines.append(f"### {code}: {meaning}\n\n{_golden(root, f'errors/{code}.txt')}\n")
    return "".join(lines)


def tflite_operators(tools: Toolbox, root: Path) -> str:
    """A row for each operator that has a converter, or that tests let TensorFlow compute."""
    covered = _covered(root)
    names = sorted({*tools.converters("tflite"), *covered["operators"]})

    def row(name: str) -> tuple[str, str, str]:
        types = covered["operators"].get(name, [])
        using = [net for net, kinds in covered["models"].items() if name in kinds["float"] or name in kinds["int8"]]
        return name, ", ".join(types) or "in no model of the tests", ", ".join(using)

    return _table(("operator", "element types", "networks"), map(row, names))


def tflite_networks(tools: Toolbox, root: Path) -> str:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))

    models = _covered(root)["models"]
    return _table(("network", "operators in int8"), ((name, listed(kinds["int8"])) for name, kinds in models.items()))


_WRITERS: tuple[Callable[[Toolbox, Path], str], ...] = (
    ops,
    full_update,
    sparse_tensor,
    passes,
    pipelines,
    update_rules,
    losses,
    targets,
    scheme_fields,
    scheme_options,
    published_schemes,
    tflite_operators,
    tflite_networks,
    errors,
)
PARTS = {writer.__name__: writer for writer in _WRITERS}


def _described(tools: Toolbox, kind: str, name: str) -> str:
    """A dataclass: the first line of its module, and its options."""
    cls = tools.get(kind, name)
    listed = _options(cls)
    return f"**`{name}`** {_first_line(sys.modules[cls.__module__])}\n" + (f"\n{listed}\n" if listed else "\n")


def _options(cls: Any) -> str:
    meanings = dict(_attributes(inspect.getdoc(cls) or ""))
    return "".join(f"* `{f.name}`{_default(f)}: {meanings[f.name]}\n" for f in fields(cls))


def _attributes(doc: str) -> Iterator[tuple[str, str]]:
    """Name and meaning of each of the attributes that a docstring lists."""
    listed = doc.partition("Attributes:\n")[2]
    for entry in re.split(r"\n(?= {4}\w)", listed):
        name, _, meaning = entry.strip().partition(": ")
        yield name, " ".join(meaning.split())


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return ""
    text = print_option(field.default)
    return f" = `{text}`" if text not in ("None", '""', "[]") else ""


def _first_line(module: Any) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def _covered(root: Path) -> Any:
    """What tests compare with TensorFlow: `python -m gradlet.tests.frontends.tflite.covered` notes it."""
    return json.loads((root / "tests" / "frontends" / "tflite" / "covered.json").read_text(encoding="utf-8"))


def _golden(root: Path, name: str) -> str:
    text = (root / "tests" / "golden" / name).read_text(encoding="utf-8")
    return f"```text\n{text}```\n"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    for path, text in pages(checkout()).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
