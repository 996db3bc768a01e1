"""Takes C files apart, so that a program carries only the functions it calls and what these need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradlet.ir.errors import CompileError

KERNELS = Path(__file__).parent / "kernels"

_TOKEN = re.compile(
    r"""(?P<skip>//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<directive>^[ \t]*\#(?:\\\n|[^\n])*)
      | (?P<mark>[{};])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_INCLUDE = re.compile(r'#\s*include\s*(?:<(?P<system>[^>]+)>|"(?P<own>[^"]+)")')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Definition:
    """A function, table, type or macro of a C file, with the comment above it."""

    name: str
    text: str
    file: Path

    def marked(self, mark: str) -> str:
        """The text with a line before its first that is code."""
        return re.sub(r"^(?=static)", f"{mark}\n", self.text, count=1, flags=re.MULTILINE)

    @property
    def words(self) -> frozenset[str]:
        return frozenset(_IDENTIFIER.findall(_COMMENT.sub("", self.text)))


@dataclass(frozen=True)
class Source:
    """A C file: its definitions by name, its system headers, and the files of ours that it includes."""

    path: Path
    definitions: dict[str, Definition]
    headers: tuple[str, ...]
    includes: tuple[Path, ...]

    def find(self, name: str) -> Definition | None:
        """The definition of a name, here or in what is included."""
        if name in self.definitions:
            return self.definitions[name]
        found = (read(path).find(name) for path in self.includes)
        return next((f for f in found if f), None)


@cache
def read(path: Path) -> Source:
    """Splits a C file at its top level."""
    text = path.read_text(encoding="utf-8")
    pieces, directives = _split(text, path)
    definitions = {d.name: d for d in (Definition(_name(p, path), p, path) for p in pieces)}
    assert len(definitions) == len(pieces), f"{path}: something is defined twice"
    includes = [m for d in directives if (m := _INCLUDE.match(d))]
    own = tuple(_locate(m["own"], path) for m in includes if m["own"])
    return Source(path, definitions, tuple(m["system"] for m in includes if m["system"]), own)


def _split(text: str, path: Path) -> tuple[list[str], list[str]]:
    """The definitions, each with the comment right above it, and the other directives."""
    pieces: list[str] = []
    directives: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        if token["skip"]:
            # A comment followed by an empty line belongs to the file, not to what comes next.
            if depth == 0 and not _COMMENT.sub("", text[start : token.end()]).strip():
                start = token.end() if text[token.end() :].startswith("\n\n") else start
        elif token["directive"] and depth == 0 and not _COMMENT.sub("", text[start : token.start()]).strip():
            directive = token["directive"].strip()
            if directive.startswith("#define"):
                pieces.append(text[start : token.end()].strip())
            else:
                directives.append(directive)
            start = token.end()
        elif token["mark"]:
            depth += {"{": 1, "}": -1, ";": 0}[token["mark"]]
            if depth == 0 and (token["mark"] == ";" or _is_function(text[start : token.end()])):
                pieces.append(text[start : token.end()].strip())
                start = token.end()
    assert depth == 0 and not _COMMENT.sub("", text[start:]).strip(), f"{path}: the last definition does not end"
    bad = [d for d in directives if not _INCLUDE.match(d) and d != "#pragma once"]
    assert not bad, f"{path}: {bad[0]}: only functions have conditions; what differs by target is a kernel of its own"
    return pieces, directives


def _is_function(piece: str) -> bool:
    head = _COMMENT.sub("", piece).split("{")[0]
    return "(" in head and "=" not in head


def _name(piece: str, path: Path) -> str:
    code = _COMMENT.sub("", piece).strip()
    if macro := re.match(r"#\s*define\s+(\w+)", code):
        return macro[1]
    pattern = r"(\w+)\s*;$" if code.startswith("typedef") else r"(\w+)\s*(?:\(|\[|=)"
    found = re.search(pattern, code)
    assert found, f"{path}: what is this?\n{code}"
    return found[1]


def _locate(name: str, path: Path) -> Path:
    """Beside the file that includes it, or among our own kernels."""
    found = [p for p in (path.parent / name, KERNELS / name) if p.is_file()]
    assert found, f"{path} includes {name}, which is not there"
    return found[0].resolve()


def collect(wanted: Iterable[tuple[Path, str]]) -> tuple[list[str], list[Definition]]:
    """The system headers, and the definitions in an order in which each follows what it needs.

    Args:
        wanted: Functions, with the file that defines each.
    """
    done: dict[str, Definition] = {}
    headers: set[str] = set()
    for path, name in wanted:
        source = read(path.resolve())
        assert name in source.definitions, f"{path} does not define {name}"
        _visit(source.definitions[name], done, headers)
    return sorted(headers), list(done.values())


def _visit(definition: Definition, done: dict[str, Definition], headers: set[str]) -> None:
    known = done.get(definition.name)
    if known is not None:
        if known.text != definition.text:
            what = f"{definition.name} is defined by {known.file} and, differently, by {definition.file}"
            raise CompileError("GL312", what, hint="rename it in one of the two")
        return
    source = read(definition.file)
    headers.update(source.headers)
    for word in sorted(definition.words - {definition.name}):
        if needed := source.find(word):
            _visit(needed, done, headers)
    done[definition.name] = definition
