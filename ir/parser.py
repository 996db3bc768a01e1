"""Reads the printed form of a graph back (printer.py writes it)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Phase, Region, Role, State, Value
from gradlet.ir.tensor_type import DType, QuantParams, TensorType

_TOKEN = re.compile(
    r"""\s+ | //[ ](?P<phase>forward|backward|update)(?=\n) | //[ ](?P<loc>[^\n]*)
    | %(?P<value>[^\s,():=\[\]]+) | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<word>[A-Za-z_]\w*)
    | (?P<number>-?(?:\d[\w.]*(?:(?<=e)[+-]\d+)?|inf|nan)) | (?P<mark>[][(){}=:,])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n"}
_T = TypeVar("_T")


def parse_graph(text: str, states: Mapping[str, np.ndarray] | None = None) -> Graph:
    """The graph that `print_graph` printed; states take their contents from `states`, or are zero.

    Raises:
        CompileError: GL009 with line and column.
    """
    return _Parser(text, states or {}).graph()


class _Parser:
    """Recursive descent over a list of (kind, text, position)."""

    def __init__(self, text: str, states: Mapping[str, np.ndarray]):
        self.text, self.states = text, states
        self.tokens = [*self._tokens(), ("end", "", len(text))]
        self.at = 0
        self.values: dict[str, Value] = {}

    def _tokens(self) -> Iterator[tuple[str, str, int]]:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if not match:
                raise self._error(position, f"{self.text[position]!r} is not expected")
            if match.lastgroup:
                yield match.lastgroup, match[match.lastgroup], position
            position = match.end()

    def _error(self, position: int, what: str) -> CompileError:
        line = self.text.count("\n", 0, position) + 1
        column = position - self.text.rfind("\n", 0, position)
        return CompileError("GL009", what, f"line {line}, column {column}", "compare with a graph that gradlet printed")

    def fail(self, what: str) -> CompileError:
        return self._error(self.tokens[self.at][2], what)

    def next(self, kind: str, text: str | None = None) -> str:
        """Consumes a token of this kind (and text), or complains."""
        found, content, _ = self.tokens[self.at]
        if found != kind or (text is not None and content != text):
            raise self.fail(f"{text or kind} is expected, not {content or found!r}")
        self.at += 1
        return content

    def take(self, kind: str, text: str | None = None) -> str | None:
        """Consumes a token if it is of this kind (and text)."""
        found, content, _ = self.tokens[self.at]
        return self.next(kind) if found == kind and text in (None, content) else None

    def sequence(self, item: Callable[[], _T], close: str) -> list[_T]:
        """Items between commas up to a closing mark, which is consumed."""
        items: list[_T] = []
        while not self.take("mark", close):
            if items:
                self.next("mark", ",")
            items.append(item())
        return items

    # -------------------------------------------------------------- graph

    def graph(self) -> Graph:
        self.next("word", "step")
        graph = Graph(self.next("word"))
        self.next("mark", "(")
        self.sequence(lambda: self._parameter(graph), ")")
        self.next("mark", "{")
        phase = Phase.FORWARD
        while not self.take("word", "return"):
            word = self.take("phase")
            if word:
                phase = Phase(word)
            else:
                graph.append(self._node(phase))
        graph.outputs = self._outputs()
        self.next("end")
        graph._serial = 1 + max((int(n) for n in self.values if n.isdigit()), default=-1)
        return graph

    def _outputs(self) -> list[Value]:
        outputs = [] if self.take("mark", "}") else [self._use()]
        while outputs and not self.take("mark", "}"):
            self.next("mark", ",")
            outputs.append(self._use())
        return outputs

    def _parameter(self, graph: Graph) -> None:
        role = self.take("word")
        value, needs_grad = self._declare()
        if role is None:
            graph.inputs.append(value)
            return
        if role not in {r.value for r in Role}:
            raise self.fail(f"{role} is no role of a state")
        init = self.states.get(value.name)
        zeros = np.zeros(value.type.shape, value.type.dtype.numpy) if init is None else init
        trainable, region = needs_grad
        graph.states.append(State(value, zeros, Role(role), trainable, region))

    def _declare(self) -> tuple[Value, tuple[bool, Region | None]]:
        name = self.next("value")
        self.next("mark", ":")
        type_, needs_grad = self._type()
        return self._define(name, type_), needs_grad

    def _define(self, name: str, type_: TensorType) -> Value:
        if name in self.values:
            raise self.fail(f"%{name} is defined a second time")
        self.values[name] = Value(name, type_)
        return self.values[name]

    def _use(self) -> Value:
        name = self.next("value")
        if name not in self.values:
            raise self.fail(f"%{name} is not defined")
        return self.values[name]

    # -------------------------------------------------------------- types

    def _type(self) -> tuple[TensorType, tuple[bool, Region | None]]:
        self.next("word", "Tensor")
        self.next("mark", "[")
        self.next("mark", "(")
        shape = tuple(self.sequence(self._int, ")"))
        self.next("mark", ",")
        dtype = self._dtype(self.next("word"))
        facts: dict[str, Any] = {}
        needs_grad: tuple[bool, Region | None] = (False, None)
        while not self.take("mark", "]"):
            self.next("mark", ",")
            key = self.next("word")
            self.next("mark", "=")
            if key == "needs_grad":
                needs_grad = self._needs_grad()
            else:
                facts[key] = self._attr()
        return TensorType(dtype, shape, self._quant(facts)), needs_grad

    def _dtype(self, name: str) -> DType:
        try:
            return DType(name)
        except ValueError:
            raise self.fail(f"{name} is no element type") from None

    def _quant(self, facts: Mapping[str, Any]) -> QuantParams | None:
        if not facts:
            return None
        scale, zero_point = (
            v if isinstance(v, tuple) else (v,) for v in (facts.get("scale", ()), facts.get("zero_point", ()))
        )
        return QuantParams(scale, zero_point, facts.get("axis"))

    def _needs_grad(self) -> tuple[bool, Region | None]:
        word = self.take("word")
        if word:
            return word == "True", None
        self.next("number")
        return True, self._region()

    def _region(self) -> Region:
        """`[:, 0:5]`: the last axis given is the one that is cut."""
        self.next("mark", "[")
        axis = 0
        while self.take("mark", ":"):
            self.next("mark", ",")
            axis += 1
        begin = self._int()
        self.next("mark", ":")
        region = Region(axis, begin, self._int())
        self.next("mark", "]")
        return region

    # -------------------------------------------------------------- nodes

    def _node(self, phase: Phase) -> Node:
        names = self.sequence(lambda: self.next("value"), ")") if self.take("mark", "(") else [self.next("value")]
        self.next("mark", "=")
        op = self.next("word")
        inputs: list[Value] = []
        attrs: dict[str, Any] = {}
        self.next("mark", "(")
        self.sequence(lambda: self._operand(inputs, attrs), ")")
        self.next("mark", ":")
        types = self.sequence(lambda: self._type()[0], ")") if self.take("mark", "(") else [self._type()[0]]
        if len(types) != len(names):
            raise self.fail(f"{len(names)} values have {len(types)} types")
        written = self._written(len(names))
        outputs = [self._define(n, t) for n, t in zip(names, types, strict=True)]
        for output, overwritten in zip(outputs, written, strict=True):
            output.overwrites = overwritten
        return Node(op, inputs, outputs, attrs, phase, self.take("loc") or "")

    def _operand(self, inputs: list[Value], attrs: dict[str, Any]) -> None:
        if self.tokens[self.at][0] == "value":
            inputs.append(self._use())
            return
        key = self.next("word")
        self.next("mark", "=")
        attrs[key] = self._attr()

    def _written(self, count: int) -> list[Value | None]:
        if not self.take("word", "writes"):
            return [None] * count
        written = [self._overwritten()]
        while self.take("mark", ","):
            written.append(self._overwritten())
        if len(written) != count:
            raise self.fail(f"{count} values write {len(written)}")
        return written

    def _overwritten(self) -> Value | None:
        if self.take("word", "_"):
            return None
        value = self._use()
        if self.tokens[self.at][1] == "[":
            self._region()
        return value

    def _attr(self) -> Any:
        if self.take("mark", "["):
            return tuple(self.sequence(self._attr, "]"))
        string = self.take("string")
        if string is not None:
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), string[1:-1])
        word = self.take("word")
        if word is not None:
            return {"True": True, "False": False, "inf": float("inf"), "nan": float("nan")}.get(word, word)
        return self._number()

    def _number(self) -> int | float:
        text = self.next("number")
        try:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            raise self.fail(f"{text} is no number") from None

    def _int(self) -> int:
        number = self._number()
        if not isinstance(number, int):
            raise self.fail(f"{number} is no integer")
        return number
