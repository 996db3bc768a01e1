"""Names with options as text, `momentum{momentum=0.9,nesterov=true}`, and the frozen dataclasses they stand for."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Toolbox

_TOKEN = re.compile(r'\s+|(?P<word>[^\s{}\[\],="]+)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\],=])')


@dataclass(frozen=True)
class Call:
    """A name and the options written after it, whose types only their owner knows."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        listed = ",".join(f"{key}={print_option(value)}" for key, value in self.options)
        return f"{self.name}{{{listed}}}" if listed else self.name


def print_option(value: Any) -> str:
    """The text that reads back as `value`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(print_option, value))}]"
    text = str(value)
    if isinstance(value, Call) or re.fullmatch(r'[^\s{}\[\],="]+', text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def to_call(name: str, options: Any) -> Call:
    """The dataclass `options` as text would name it: fields that have their default are left out."""
    given = [(f.name, getattr(options, f.name)) for f in fields(options) if getattr(options, f.name) != f.default]
    return Call(name, tuple(given))


def parse_calls(text: str) -> list[Call]:
    """Calls between commas; words stay text, lists are tuples, a word with braces is a `Call`.

    Raises:
        CompileError: GL210 with the column.
    """
    return _Parser(text).calls()


class _Parser:
    """Recursive descent over (kind, text, column)."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = [*self._tokens(), ("end", "the end", len(text))]
        self.at = 0

    def _tokens(self) -> Iterator[tuple[str, str, int]]:
        column = 0
        while column < len(self.text):
            match = _TOKEN.match(self.text, column)
            if not match:
                raise self._error("a quote is not closed", column)
            if match.lastgroup:
                yield match.lastgroup, match[match.lastgroup], column
            column = match.end()

    def _error(self, what: str, column: int) -> CompileError:
        hint = "write name{option=value,option=[value, value]},name"
        return CompileError("GL210", f"{what}, at column {column + 1} of `{self.text}`", hint=hint)

    def take(self, text: str) -> bool:
        kind, found, _ = self.tokens[self.at]
        taken = kind == "mark" and found == text
        self.at += taken
        return taken

    def word(self) -> str:
        kind, found, column = self.tokens[self.at]
        if kind not in ("word", "string"):
            raise self._error(f"a name or a value is expected, not {found}", column)
        self.at += 1
        return re.sub(r"\\(.)", r"\1", found[1:-1]) if kind == "string" else found

    def until(self, close: str) -> Iterator[None]:
        """One turn for each item between commas, up to `close`."""
        first = True
        while not self.take(close):
            if not first and not self.take(","):
                _, found, column = self.tokens[self.at]
                raise self._error(f"`,` or `{close}` is expected, not {found}", column)
            first = False
            yield

    def calls(self) -> list[Call]:
        calls: list[Call] = []
        while self.tokens[self.at][0] != "end":
            if calls and not self.take(","):
                _, found, column = self.tokens[self.at]
                raise self._error(f"`,` is expected, not {found}", column)
            name = self.word()
            calls.append(Call(name, self.options() if self.take("{") else ()))
        return calls

    def options(self) -> tuple[tuple[str, Any], ...]:
        return tuple(self.option() for _ in self.until("}"))

    def option(self) -> tuple[str, Any]:
        key = self.word()
        if not self.take("="):
            _, found, column = self.tokens[self.at]
            raise self._error(f"`=` is expected after {key}, not {found}", column)
        return key, self.value()

    def value(self) -> Any:
        if self.take("["):
            return tuple(self.value() for _ in self.until("]"))
        word = self.word()
        return Call(word, self.options()) if self.take("{") else word


def make(toolbox: Toolbox, kind: str, call: Call) -> Any:
    """An instance of what is registered of a kind, its fields filled from the options.

    Raises:
        CompileError: GL504 for an unknown name, GL211 for an unknown option or a value of a wrong type.
    """
    return build(toolbox.get(kind, call.name), call)


def build(cls: Any, call: Call) -> Any:
    """An instance of the dataclass `cls`, its fields filled from the options."""
    hints = typing.get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    for key, _ in call.options:
        if key not in known:
            hint = _what_exists(key, known)
            raise CompileError("GL211", f"{call.name} has no option {key!r}", hint=hint)
    return cls(**{key: _typed(value, hints[key], f"{call.name}: {key}") for key, value in call.options})


def _what_exists(key: str, known: Sequence[str]) -> str:
    if not known:
        return "it has none"
    near = get_close_matches(key, known, 1)
    return (f"did you mean {near[0]}? " if near else "") + f"options: {', '.join(known)}"


def _typed(value: Any, hint: Any, place: str) -> Any:
    """`value`, which may be text still, as the type that a field declares."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for choice in choices:
        try:
            return _convert(value, choice, place)
        except (ValueError, KeyError, TypeError):
            continue
    wanted = " or ".join(getattr(c, "__name__", str(c)) for c in choices)
    raise CompileError("GL211", f"{place} wants {wanted}, not {print_option(value)}", hint="change the option's value")


def _convert(value: Any, hint: Any, place: str) -> Any:
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_typed(v, item, place) for v in (value if isinstance(value, (tuple, list)) else (value,)))
    if hint is types.NoneType:
        return {"none": None}[value]
    if hint is bool:
        return {"true": True, "false": False}[str(value).lower()]
    if hint is Call:
        return value if isinstance(value, Call) else _call(_text(value))
    return hint(_text(value))


def _call(text: str) -> Call:
    """One name, which may be a path, or one name with options."""
    calls = parse_calls(text) if "{" in text else [Call(text)]
    if len(calls) != 1:
        raise ValueError
    return calls[0]


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list, Call)):
        raise TypeError
    return str(value)
