"""Options as text: what is read, what it becomes, and what is refused."""

from dataclasses import dataclass

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, build, parse_calls, to_call

NONE = Call("none")


@dataclass(frozen=True)
class Sample:
    count: int = 1
    rate: float = 0.5
    on: bool = False
    name: str = "plain"
    sizes: tuple[int, ...] = ()
    seed: int | None = None
    rule: Call = NONE


def _build(text: str) -> Sample:
    (call,) = parse_calls(text)
    return build(Sample, call)


def test_every_type_is_read_by_its_field():
    made = _build('sample{count=-3, rate=1e-3,on=true,name="a b",sizes=[1, 2],seed=4,rule=momentum{momentum=0.9}}')
    rule = Call("momentum", (("momentum", "0.9"),))
    assert made == Sample(-3, 1e-3, True, "a b", (1, 2), 4, rule)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("sample{name=49kb}", Sample(name="49kb")),
        ("sample{name=5}", Sample(name="5")),
        ("sample{sizes=7}", Sample(sizes=(7,))),
        ("sample{seed=none}", Sample(seed=None)),
        ('sample{name="say \\"no\\""}', Sample(name='say "no"')),
        ("sample{rule=path/to/scheme.yaml}", Sample(rule=Call("path/to/scheme.yaml"))),
        ("sample{}", Sample()),
    ],
)
def test_words_become_what_the_field_is(text, made):
    assert _build(text) == made


@pytest.mark.parametrize(
    "made",
    [
        Sample(),
        Sample(3, 0.1, True, "x,y", (1, 2, 3), 0, Call("a", (("b", Call("c", (("d", "e"),))),))),
        Sample(name='back\\slash "quoted"', sizes=(5,)),
    ],
)
def test_what_is_printed_reads_back(made):
    (call,) = parse_calls(str(to_call("sample", made)))
    assert build(Sample, call) == made


def test_several_calls():
    assert [c.name for c in parse_calls("a, b{x=[1, 2]},c")] == ["a", "b", "c"]
    assert parse_calls("") == []


@pytest.mark.parametrize(
    ("text", "column"),
    [("a,,b", 3), ("a{x}", 4), ("a{x=}", 5), ("a{x=1", 6), ("a{x=1 y=2}", 7), ("a b", 3), ('a{x="b}', 5), ("a}", 2)],
)
def test_malformed_text_is_an_error_with_its_column(text, column):
    with pytest.raises(CompileError, match=f"at column {column} ") as info:
        parse_calls(text)
    assert info.value.code == "GL210"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample{cuont=1}", "did you mean count"),
        ("sample{zzz=1}", "options: count, rate, on"),
        ("sample{count=1.5}", "count wants int"),
        ("sample{on=maybe}", "on wants bool"),
        ("sample{rate=[1]}", "rate wants float"),
        ("sample{sizes=[a]}", "sizes wants int"),
        ("sample{seed=x}", "int or None"),
    ],
)
def test_wrong_options_are_errors(text, message):
    with pytest.raises(CompileError) as info:
        _build(text)
    assert info.value.code == "GL211"
    assert message in str(info.value)
